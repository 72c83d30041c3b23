// Hits on their way: a pile of pixels, one query string a line. While the page is seen, fetch tells
// whether they arrived; what did not is sent again, with the same numbers, so that a repeat changes
// nothing. When the page is dying, sendBeacon outlives it.

import { endpoint, quietly } from './page'

interface Waiting {
  line: string
  at: number
  begun: number
}

const enum Limit {
  BODY_HITS = 64,
  BODY_CHARS = 3e4, // then one more line: a body may hold 64 KiB
  WAITING_HITS = 256,
  RETRY_MS = 5e3, // doubled with each failure, up to 64 times
}

let waiting: Waiting[] = []
let timer: number | undefined
let due = Infinity
let failures = 0
let mode: RequestMode = 'cors'

export function enqueue(hit: Waiting, delayMs: number) {
  waiting.push(hit)
  flushIn(delayMs)
}

export const drop = () => (waiting = [])

function flushIn(delayMs: number) {
  const at = Date.now() + delayMs
  if (at >= due) return
  due = at
  clearTimeout(timer)
  timer = setTimeout(quietly(flush), delayMs) as any
}

function keep(hits: Waiting[]) {
  waiting = [...hits, ...waiting].slice(-Limit.WAITING_HITS)
  flushIn(Limit.RETRY_MS << Math.min(failures++, 6))
}

// Ages are told as they are at this moment, so that a hit that waited is dated right.
function fill(hits: Waiting[]) {
  const now = Date.now()
  let body = ''
  while (waiting.length && hits.length < Limit.BODY_HITS && body.length < Limit.BODY_CHARS) {
    const hit = waiting.shift()!
    const begun = Math.max(0, now - hit.begun)
    hits.push(hit)
    body += (body && '\n') + hit.line + '&a=' + Math.max(0, Math.min(begun, now - hit.at)) + '&b=' + begun
  }
  return body
}

export function flush(leaving?: boolean) {
  clearTimeout(timer)
  due = Infinity
  while (waiting.length) {
    const hits: Waiting[] = []
    const body = fill(hits)
    if (!((leaving || document.hidden) && sendBeacon(body))) post(body, hits)
  }
}

export const sendBeacon = (body: string) => navigator.sendBeacon?.(endpoint, body)

function post(body: string, hits: Waiting[]) {
  try {
    fetch(endpoint, { method: 'POST', body, keepalive: true, credentials: 'omit', mode }).then(
      (answer) => {
        if (answer.status >= 500) keep(hits)
        else failures = 0
      },
      () => {
        // An answer that the page may not read looks like none. From now on, arriving is enough.
        mode = 'no-cors'
        keep(hits)
      }
    )
  } catch (e) {
    body.split('\n').forEach((line) => (new Image().src = endpoint + '?' + line))
  }
}
