// Looks at a finished page and returns the list of what is wrong with it. Needs axe. A quick look is for a page that had a
// thorough one on this screen, in other light: it looks at colours and sizes.
async (width, title, quick) => {
  const faults = []
  const frame = () => new Promise(requestAnimationFrame)
  await frame().then(frame) // another light or screen shows in the next picture
  if (document.querySelectorAll('h1').length !== 1) faults.push(`${document.querySelectorAll('h1').length} h1`)
  if (!new RegExp(title).test(document.title)) faults.push(`the title is ${JSON.stringify(document.title)}`)
  const page = document.scrollingElement
  if (page.scrollWidth > width) {
    const wide = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > width + 1)
    faults.push(`scrolls sideways, ${page.scrollWidth} px: ${wide.slice(0, 5).map((e) => `<${e.tagName.toLowerCase()} class="${e.getAttribute('class')}">`).join(' ')}`)
  }
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id)
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) faults.push(`two elements are #${id}`)
  const raw = document.body.innerText.match(/\[[a-z_]+(\.[a-z_]+)+\]|\{\{.*?\}\}|<no value>|%!\w\(/)
  if (raw) faults.push(`words are missing: ${raw[0]}`)
  const { violations } = await axe.run(document, {
    resultTypes: ['violations'],
    runOnly: quick
      ? ['color-contrast', 'link-in-text-block', 'target-size', 'scrollable-region-focusable']
      : ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  })
  for (const v of violations) {
    faults.push(`axe: ${v.id} (${v.help}): ${v.nodes.slice(0, 4).map((n) => `${n.target} ${n.html.slice(0, 200)} ${n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? ''}`).join(' | ')}`)
  }
  return faults
}
