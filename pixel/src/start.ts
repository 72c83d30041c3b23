// The one global function, and every event of the page.

// What was called before we came, and what is called before the page has been seen.
const early: any[][] = (self as any).sentier?.q || []

const calls: { [name: string]: (...args: any[]) => unknown } = {
  event: (m, properties) => send('ev', { m: m + '?' + new URLSearchParams(properties) }),
  // Withdrawing a consent ends its id; where none was given nothing changes, and 'off' may be but the
  // time until a banner answers. An opt-out by the person's own hand is stronger than a banner's yes.
  consent: (mode) => {
    off = mode == 'off'
    ;/^(true|consented)$/.test(mode) ? ident || signal || grant() : off || (ident[1] && become(''))
    look()
  },
  optout: (is) => (is === false ? ident[1] || become('') : become('o')),
  identify: (i, j) => {
    who = { i, j }
  },
  logout: () => {
    id && pulse()
    who = 0
    ident[1] && grant('-')
  },
}

// After a call the pageview may have lost its visitor; then nothing more of it is sent. A call while
// the page is hidden may be its last.
const call: any = attempt((name, ...args) => {
  if (DEBUG) say('call', name, ...args, calls[name] ? '' : '- there is no such call')
  if (document.hidden && !id) early.push([name, ...args])
  else {
    calls[name](...args)
    if (off || out() || (visitor && visitor != ident)) number = 256
    document.hidden && flush(1)
  }
})

if (!(self as any).sentier?.on)
  if (!DEBUG && 'debug' in options) import(endpoint + '.js')
  else {
    ;(self as any).sentier = call
    call.on = 1
    read()
    signal && ident[1] && become('')
    options.consent && early.unshift(['consent', options.consent])
    on('click auxclick', attempt(click))
    on('submit', attempt(({ target }) => send('ct', { m: target.getAttribute('name') })))
    on('error', attempt((event) => event.message && errors++))
    on('focus blur', attempt(measure))
    on('visibilitychange', attempt(look))
    // Back from the back/forward cache: the same document, seen anew.
    on('pageshow', attempt((event) => event.persisted && view(page)))
    // Late content, and routes: those that show something change the document, whatever API they use.
    new MutationObserver(
      attempt(() => {
        id && path() != current && view(page)
        flushIn(1e3)
        stale = 1
      })
    ).observe(document, { childList: true, characterData: true, subtree: true })
    look()
  }
