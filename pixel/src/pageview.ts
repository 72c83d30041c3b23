// The pageview: its id, its numbered hits, and its two registers that only rise. Engaged time is
// visible AND focused AND active within the last 30 s; depth is the lowest point seen. Each hit
// carries both, so a lost hit is healed by the next and a repeated one changes nothing.

import { isOut, randomId, visitorId } from './identity'
import { quietly, site, status, url } from './page'
import { drop, enqueue, flush, sendBeacon } from './transport'

const enum Limit {
  ACTIVE_MS = 3e4,
  ENGAGED_MS = 18e5,
  NUMBERS = 256,
  FIELD_CHARS = 4e3,
}

let id = ''
let number: number = Limit.NUMBERS // nothing is sent before the first pageview
let visitor: string | undefined
let begun: number
let page: string

let engaged = 0
let countedTo = 0 // engaged time is counted up to here; 0: nobody is looking
let activeUntil = 0
let nextPulse: number // 5 s, 15 s, then every 30 s
let bottom: number // lowest pixel seen
let depth = 0
let reported = 0 // engaged + depth as sent last
let timer: number | undefined

export function view(referrer: string | undefined) {
  pulse()
  const isFirst = !id
  id = randomId()
  number = engaged = bottom = depth = reported = 0
  nextPulse = 5e3
  begun = Date.now()
  page = url()
  if (isOut()) {
    number = Limit.NUMBERS
    sendBeacon('s=' + site + '&o=1')
    return
  }
  visitor = visitorId() // the same for the whole pageview: its hits must not part
  send('pv', { r: referrer, x: status(isFirst) })
  active()
}

export const currentUrl = () => page

// The person said no: nothing more of this pageview, not even what still waits.
export function stop() {
  if (!isOut() && (!visitor || visitor === visitorId())) return
  number = Limit.NUMBERS
  drop()
}

export function send(kind: string, extra: { [field: string]: unknown }, delayMs = 0) {
  measure()
  if (number >= Limit.NUMBERS) return
  reported = engaged + depth
  const fields: typeof extra = {
    s: site, k: kind, p: id, n: '' + number++, u: page, e: engaged, d: depth,
    c: visitor && 1, v: visitor, w: navigator.webdriver && 1, ...extra,
  }
  const query = new URLSearchParams()
  for (const name in fields) if (fields[name]) query.set(name, ('' + fields[name]).slice(0, Limit.FIELD_CHARS))
  enqueue({ line: '' + query, at: Date.now(), begun }, delayMs)
}

// Adds the engaged time up to now, and asks anew whether somebody is looking.
function count() {
  const now = Date.now()
  if (countedTo) engaged = Math.min(Limit.ENGAGED_MS, engaged + Math.max(0, Math.min(now, activeUntil) - countedTo))
  countedTo = !document.hidden && document.hasFocus() ? now : 0
  return now
}

export const lookDown = () => (bottom = Math.max(bottom, scrollY + innerHeight))

// Depth is taken late, when the page has its height: one that is still loading is all in view.
function measure() {
  count()
  if (engaged) depth = Math.max(depth, Math.min(100, Math.round((lookDown() * 100) / document.documentElement.scrollHeight)))
}

function pulse() {
  measure()
  if (engaged + depth > reported) send('pu', {})
}

// Sends what is due and sets the timer to when the next could be; no timer while nobody is looking.
export function beat() {
  if (number >= Limit.NUMBERS) return
  const now = count()
  if (engaged >= nextPulse) {
    nextPulse += nextPulse > 5e3 ? 3e4 : 1e4
    pulse()
  }
  clearTimeout(timer)
  timer = 0
  if (countedTo && activeUntil > now && engaged < Limit.ENGAGED_MS)
    timer = setTimeout(quietly(beat), nextPulse - engaged) as any
}

export function active() {
  activeUntil = count() + Limit.ACTIVE_MS
  if (!timer) beat()
}

export function leave() {
  beat()
  pulse()
  flush(true)
}
