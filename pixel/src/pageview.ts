// The pageview: its id, its numbered hits, and its registers that only rise. Engaged time is visible
// AND focused AND active within the last 30 s; depth is the lowest point seen. Each hit carries them,
// so a lost hit is healed by the next.

let id: string
let number: number // of the next hit; 256: nothing more is sent
let visitor: string // the same for the whole pageview: its hits must not part
let who: any
let begun: number
let page: string
let current: string
let off: boolean // consent 'off': nothing at all

let engaged: number
let counted: any // engaged time is counted up to here; false: nobody is looking
let until: number // active until then
let next: number // 5 s, 15 s, then every 30 s
let beatTimer: any
let depth: number
let errors: number
let reported: number // the registers as sent last
let told: unknown // 1: its links and what it says of itself are still to be told

const begin = () => id || view(document.referrer, (performance.getEntriesByType('navigation')[0] as any)?.responseStatus)

const view = (r: string, status?: number) => {
  if (off) {
    if (DEBUG) say('nothing is measured: consent is off')
    return
  }
  id && pulse()
  id = random()
  number = engaged = depth = reported = errors = 0
  next = 5e3
  begun = now()
  told = 1
  page = clean(location.href)
  current = path()
  look() // what is sent now goes at once
  if (out()) {
    number = 256
    waiting.push('s=' + options.site + '&o=1')
    if (DEBUG) say('opted out', signal ? '(Global Privacy Control or Do Not Track)' : '(by hand)', 'only that is counted')
  } else {
    ;(now() - (ident.split('.')[1] as any)) > 34128e6 && grant() // 395 days
    visitor = ident
    if (DEBUG) say('pageview', page, visitor ? 'of visitor ' + visitor : 'cookieless', 'for', options.site)
    send('pv', { r, x: meta('sentier:status') || status })
  }
}

const send = (k: string, extra?: Fields) => {
  begin()
  measure()
  if (number < 256) {
    reported = engaged + depth + errors
    waiting.push(
      new URLSearchParams(
        Object.entries({
          s: options.site, k, p: id, n: number++, u: page, A: now(), B: begun, e: engaged, d: depth, E: errors,
          w: navigator.webdriver, ...(visitor && { c: 1, v: visitor, ...who }), ...extra,
        }).filter((field) => field[1]) as string[][]
      ) + ''
    )
    flushIn(1e3) // what a second brings goes together
    if (DEBUG) say('hit', k, Object.fromEntries(new URLSearchParams(waiting[waiting.length - 1])))
  } else if (DEBUG) say('not sent:', k, off ? 'consent is off' : out() ? 'opted out' : id ? 'this pageview is over, or has 256 hits' : 'no pageview')
}

// Adds the engaged time up to now, and asks anew whether somebody is looking. Depth is taken late,
// when the page has its height: one that is still loading is all in view.
const measure = () => {
  if (counted) {
    engaged += Math.max(Math.min(now(), until) - counted, 0)
    if (engaged > 999) depth = Math.max(depth, ((scrollY + innerHeight) * 100 / document.body.scrollHeight) | 0)
  }
  counted = !document.hidden && document.hasFocus() && now()
}

// Content links first: a page may have more than are told.
const pulse = () => {
  measure()
  if (told) {
    told = 0
    send('ln', {
      // Once each before they are read: that is what takes its time.
      l: [...new Set([...new Set([...document.querySelectorAll('a:not(nav *,header *,footer *)'), ...document.links])].map(inside))].filter((link) => link && !link[300]).slice(0, 65).join('\n'),
    })
    send('mt', {
      T: document.title, S: meta('article:section'), D: meta('article:published_time'),
      t: (document.querySelector('[rel=canonical]') as HTMLLinkElement)?.href,
      y: (document.querySelector('[data-topic]') as HTMLElement)?.dataset.topic || meta('keywords'),
    })
  }
  fresh[0] && send('sn', { l: fresh.splice(0).join('\n') })
  engaged + depth + errors > reported && send('pu')
}

// Sends what is due and sets the timer to when the next could be; none while nobody is looking.
const beat = () => {
  measure()
  if (engaged >= next) {
    next += next > 5e3 ? 3e4 : 1e4
    pulse()
  }
  beatTimer = until > counted && counted && later(beat, next - engaged)
}

// Once a second at most: a pointer that moves says so at every frame, and each time costs the page.
// So the last sign of somebody may be up to a second younger than the one that was heard: half of it.
const active = attempt(() => {
  measure()
  until = now() - -30500
  later(() => on('focus scroll pointermove click keydown', active, 1), 1e3)
  beatTimer || beat()
})

// Shown or hidden. What is hidden from the start begins when it is seen.
const look = () => {
  if (document.hidden) {
    if (DEBUG && !id) say('nothing is sent yet: the page has not been seen')
    pulse()
    flush(1)
  } else {
    early.splice(0).map((one) => call(...one))
    begin()
    flushIn(0)
    active()
  }
}
