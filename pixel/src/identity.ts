// Who the hits are from. Without consent: nobody, and nothing is stored. With consent: a random
// first-party id, for at most 13 months. Opted out: one number a pageview, and nothing else.
//
// localStorage.sentier holds "o" (opted out), "w" (consent withdrawn), or "ID.CREATED".

import { options } from './page'

const enum Limit {
  ID_MAX_MS = 395 * 864e5,
}

// 12 digits of base36 are 62 bits, and need no BigInt.
export const randomId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => (byte % 36).toString(36)).join('')

// A browser may refuse storage; then nothing lasts longer than the page.
let stored: string | undefined
try {
  stored = localStorage.sentier
} catch (e) {}

function store(value?: string) {
  stored = value
  try {
    if (value) localStorage.sentier = value
    else delete localStorage.sentier
  } catch (e) {}
}

const signal = (navigator as any).globalPrivacyControl || navigator.doNotTrack === '1'

export const isOut = () => signal || (stored && !stored[1])

// The stored id; a new one when it has grown too old.
export function visitorId() {
  if (!stored || isOut()) return
  const [id, created] = stored.split('.')
  if (Date.now() - +created < Limit.ID_MAX_MS) return id
  return grant()
}

function grant() {
  const id = randomId()
  store(id + '.' + Date.now())
  return id
}

// Withdrawing a consent that was given opts out; refusing one that never was changes nothing. An
// opt-out by the person's own hand is stronger than a banner's "yes".
export function consent(given: unknown) {
  if (given === true) {
    if (!signal && (!stored || stored === 'w')) grant()
  } else if (stored && !isOut()) store('w')
}

export function optOut(out: unknown) {
  if (out !== false) store('o')
  else if (isOut()) store()
}

if (signal && stored && stored[1]) store()
if (options.consent === 'true') consent(true)
