// Watches a page from its first byte and tells the test what no look at the finished page shows: what moved, what the content
// security policy forbade, and how far a progress bar came.
;(() => {
  if (window !== window.top) return
  const tell = (kind, what, value = 0) => journeyTell(JSON.stringify({ kind, path: location.pathname, what, value }))
  tell('loaded')

  const name = (node) => (node?.nodeType === 1 ? `${node.tagName.toLowerCase()}.${node.getAttribute('class') ?? ''}` : String(node?.nodeName))
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) {
      if (!shift.hadRecentInput) tell('shift', shift.sources.map((s) => name(s.node)).join(', '), shift.value)
    }
  }).observe({ type: 'layout-shift', buffered: true })

  addEventListener('securitypolicyviolation', (event) => tell('forbidden', `${event.violatedDirective} forbids ${event.blockedURI || event.sample}`))

  let last
  new MutationObserver(() => {
    const now = document.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow')
    if (now && now !== last) tell('progress', '', Number((last = now)))
  }).observe(document, { subtree: true, childList: true, attributes: true })
})()
