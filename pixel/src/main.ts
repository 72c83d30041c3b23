// The tracker: a guest in the page. One global function, nothing thrown, nothing stored unless the
// person consented. Every event of the page comes in here.

import { click } from './clicks'
import { consent, optOut } from './identity'
import { on, quietly, route, site } from './page'
import { active, beat, currentUrl, leave, lookDown, send, stop, view } from './pageview'

const enum Limit {
  EVENT_DELAY_MS = 1e3, // events come in bursts: one request for what a second brings
}

const calls: { [name: string]: (argument: unknown) => void } = {
  event: (name) => name && send('ev', { m: name }, Limit.EVENT_DELAY_MS),
  consent: (given) => (consent(given), stop()),
  optout: (out) => (optOut(out), stop()),
}

const global = window as { sentier?: any }
const call: any = quietly((name: string, argument) => calls[name](argument))

let current: string

function routed() {
  if (route() === current) return
  current = route()
  view(currentUrl())
}

function watchRoutes() {
  for (const method of ['pushState', 'replaceState'] as const) {
    const original = history[method]
    history[method] = function () {
      original.apply(this, arguments as any)
      quietly(routed)()
    }
  }
  on(window, 'popstate hashchange', routed)
}

function start() {
  // What the page called before we came; whose pageview it is must be known before it begins.
  const early: any[][] = global.sentier?.q || []
  const replay = (events: boolean) =>
    early.forEach(([name, argument]) => (name === 'event') === events && call(name, argument))

  global.sentier = call
  replay(false)
  current = route()
  view(document.referrer)
  replay(true)

  watchRoutes()
  on(document, 'click auxclick', click)
  on(document, 'scroll', lookDown)
  on(window, 'focus scroll pointermove pointerdown keydown', active)
  on(window, 'blur', beat)
  on(document, 'visibilitychange', () => (document.hidden ? leave() : active()))
  on(window, 'pagehide', leave)
  // Back from the back/forward cache: the same document, seen anew.
  on(window, 'pageshow', (event) => event.persisted && view(currentUrl()))
}

call.on = 1
if (site && !global.sentier?.on) {
  if ((document as any).prerendering) on(document, 'prerenderingchange', start)
  else start()
}
