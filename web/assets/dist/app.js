// What the pages need beyond HTML and htmx: the theme, copy buttons, dialogs, menus, busy buttons, running clocks, shown
// passwords and passkeys. Every page works without it. Loaded in <head> without defer, so the theme is set before the first paint.
;(() => {
  const root = document.documentElement
  root.classList.add('js')

  const stored = () => {
    try {
      return localStorage.getItem('theme')
    } catch {
      return null // storage forbidden: the system's theme it is
    }
  }
  const apply = (theme) => {
    root.classList.remove('light', 'dark')
    if (theme === 'light' || theme === 'dark') root.classList.add(theme)
  }
  apply(stored())

  const isDark = () =>
    root.classList.contains('dark') || (!root.classList.contains('light') && matchMedia('(prefers-color-scheme: dark)').matches)

  const actions = {
    theme() {
      const theme = isDark() ? 'light' : 'dark'
      apply(theme)
      try {
        localStorage.setItem('theme', theme)
      } catch {
        // kept for this page only
      }
    },
    async copy(button) {
      const source = document.getElementById(button.dataset.copy)
      await navigator.clipboard.writeText(source.textContent.trim())
      button.dataset.copied = ''
      say(button.dataset.done)
      setTimeout(() => delete button.dataset.copied, 2000)
    },
    open(button) {
      document.getElementById(button.dataset.dialog).showModal()
    },
    close(button) {
      button.closest('dialog').close()
    },
    print() {
      window.print()
    },
    all(button) {
      const boxes = [...button.form.elements].filter((box) => box.name === button.dataset.all)
      const tick = boxes.some((box) => !box.checked)
      for (const box of boxes) box.checked = tick
    },
    reveal(button) {
      const input = document.getElementById(button.dataset.reveal)
      const shown = input.type === 'text'
      input.type = shown ? 'password' : 'text'
      button.setAttribute('aria-pressed', String(!shown))
    },
  }

  // say lets screen readers read a short text.
  const say = (text) => {
    const line = document.getElementById('say')
    if (line) line.textContent = text || ''
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-do]')
    if (button) actions[button.dataset.do]?.(button)
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      if (!menu.contains(event.target)) menu.open = false
    }
    if (event.target instanceof HTMLDialogElement) event.target.close() // a click on the backdrop
  })

  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      menu.open = false
      menu.querySelector('summary').focus()
    }
  })

  // A plain form keeps its button busy until the next page; htmx marks its own.
  document.addEventListener('submit', (event) => {
    const form = event.target
    if (form.matches('[hx-post], [hx-get], [data-again]')) return // the last is answered with a file: the page stays
    if (form.dataset.passkey && !form.elements.credential.value) {
      event.preventDefault()
      askPasskey(form)
      return
    }
    if (form.dataset.sent) return event.preventDefault()
    form.dataset.sent = '1'
    event.submitter?.setAttribute('aria-busy', 'true')
  })
  addEventListener('pageshow', () => {
    for (const form of document.querySelectorAll('form[data-sent]')) delete form.dataset.sent
    for (const form of document.querySelectorAll('form[data-passkey]')) form.elements.credential.value = '' // good once
    for (const button of document.querySelectorAll('[aria-busy="true"]')) button.removeAttribute('aria-busy')
  })

  // Passkeys: the form holds the options, and its field takes the browser's answer. Browsers that cannot read options from JSON
  // are from before 2025; there the forms stay hidden, and everybody has another way.
  if (self.PublicKeyCredential?.parseRequestOptionsFromJSON) root.classList.add('passkeys')
  let waiting // for a passkey from the field of the address; ends when the button is used

  const answer = async (form, extra) => {
    const options = JSON.parse(form.dataset.options)
    const credential =
      form.dataset.passkey === 'create'
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options), ...extra })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options), ...extra })
    form.elements.credential.value = JSON.stringify(credential)
    form.requestSubmit()
  }
  const askPasskey = async (form) => {
    waiting?.abort()
    const name = form.elements.name
    if (name && !name.reportValidity()) return
    for (const problem of form.querySelectorAll('[data-problem]')) problem.hidden = true
    try {
      await answer(form)
    } catch (error) {
      const problem = error.name === 'InvalidStateError' ? 'known' : 'cancelled'
      form.querySelector(`[data-problem=${problem}]`).hidden = false
    }
  }
  document.addEventListener('DOMContentLoaded', async () => {
    const form = document.querySelector('form[data-passkey][data-autofill]')
    if (!form || !root.classList.contains('passkeys') || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return
    waiting = new AbortController()
    try {
      await answer(form, { mediation: 'conditional', signal: waiting.signal })
    } catch {
      // nothing was chosen, or the button was used: it says what is wrong
    }
  })

  // A live part says in words what changed, and where to go when there is nothing left to wait for.
  let said = ''
  document.addEventListener('htmx:load', ({ detail: { elt } }) => {
    if (elt === document.body) return // the page itself is no news
    const find = (selector) => (elt.matches(selector) ? elt : elt.querySelector(selector))
    const news = find('[data-say]')?.dataset.say
    if (news && news !== said) say((said = news))
    const goto = find('[data-goto]')?.dataset.goto
    if (goto) location.assign(goto)
  })

  // What failed before is over once something else succeeds.
  document.addEventListener('htmx:afterRequest', ({ detail }) => {
    if (detail.successful) document.getElementById('toast')?.replaceChildren()
  })

  // The request got no answer at all: the words are in the page.
  document.addEventListener('htmx:sendError', () => {
    const toast = document.getElementById('toast')
    const words = document.getElementById('offline')
    if (toast && words) toast.replaceChildren(words.content.cloneNode(true))
  })

  // Clocks of running steps: data-clock holds the milliseconds passed when the page was made.
  const tick = () => {
    for (const clock of document.querySelectorAll('[data-clock]')) {
      clock.started ??= performance.now() - Number(clock.dataset.clock)
      const seconds = Math.floor((performance.now() - clock.started) / 1000)
      const text = seconds < 60 ? `${seconds}\u00a0s` : `${Math.floor(seconds / 60)}\u00a0min ${String(seconds % 60).padStart(2, '0')}\u00a0s`
      if (clock.textContent !== text) clock.textContent = text
    }
  }
  setInterval(tick, 500)

  // On a narrow screen a server's pages scroll sideways; the current one must not be out of sight.
  addEventListener('DOMContentLoaded', () => {
    const entry = document.querySelector('main nav [aria-current="page"]')
    entry?.scrollIntoView({ block: 'nearest', inline: 'center' })
  })
})()
