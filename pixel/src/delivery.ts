// Hits on their way: a pile of pixels, a query string a line, one request at a time. While the page is
// seen, fetch tells whether they arrived; what did not is kept and sent again with the same numbers,
// so that a repeat changes nothing. When the page is left, sendBeacon outlives it.

let waiting: string[] = []
let stale: unknown = 1 // there may be links that are not watched
let timer: number
let failures = 0

// At most 500, the newest; how many were dropped is said with the newest of them.
const keep = (hits: string[]) => {
  read()
  const kept = ident ? queue : waiting,
    over = kept.unshift(...hits) - 500
  if (over > 0) {
    kept.splice(0, over)
    kept[499] += '&h=' + over
    if (DEBUG) say(over, 'hits dropped: more than 500 wait')
  }
  write()
}

const flushIn = (ms: number) => (timer ||= later(flush as any, ms))

// The hits name moments of this browser's clock; N says how far it is off.
const flush = (leaving?: unknown) => {
  read()
  queue[0] && (write as any)((waiting = [...queue.splice(0), ...waiting]))
  if (leaving && ident && (failures || !navigator.onLine)) {
    if (DEBUG && waiting[0]) say(waiting.length, 'hits kept for the next page: the collector cannot be reached')
    keep(waiting.splice(0))
  } else {
    const hits = waiting.splice(0, 20),
      body = hits.join('\n'),
      url = endpoint + '?N=' + now()
    if (!body) timer = 0
    else if (leaving && navigator.sendBeacon(url, body)) {
      if (DEBUG) say('sent', hits.length, 'by beacon')
      flush(1)
    } else
      (async () =>
        fetch(url, {
          method: 'POST',
          body: GZIP && body.length > 2e3 && self.CompressionStream
            ? await new Response(new Blob([body]).stream().pipeThrough(new CompressionStream('gzip'))).blob()
            : body,
          keepalive: true,
          credentials: options.cookie as RequestCredentials,
        }))()
        .then((answer) => {
          if (DEBUG) explain(answer, hits)
          if (answer.status > 499) throw (answer.headers.get('retry-after') as any) * 1e3
          timer = failures = 0
          waiting[0] && flushIn(0)
        })
        .then(0 as any, (ms) => {
          keep(hits)
          timer = 0
          flushIn(ms % 36e5 || 5e3 * ++failures)
          if (DEBUG) say(hits.length, 'hits wait, to be sent again: the collector could not take them', ms)
        })
  }
  // Watching 200 links takes longer than all the rest: only when there may be new ones. An image is
  // what one sees of a link around it.
  stale && document.querySelectorAll('a,[data-sentier]').forEach((e: any) => io!.observe((e.href && e.querySelector('img')) || e))
  stale = 0
}

// 4xx is an answer: those hits are not sent again, and whoever debugs wants to know why.
const explain = async (answer: Response, hits: string[]) => {
  say('sent', hits.length, hits.length > 1 ? 'hits:' : 'hit:', answer.status == 204 ? 'taken' : answer.status, answer.status == 204 ? '' : await answer.clone().text())
}
