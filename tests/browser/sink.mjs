// What a tracker sends, as it arrives: a small server that keeps every hit and answers as told. The
// collector has its own tests; here the bytes of the wire are looked at, and the answers it seldom
// gives.

import http from 'node:http'
import { gunzipSync } from 'node:zlib'
import { buildTracker } from '../../pixel/tracker.mjs'
import { eventually } from '../scenario/eventually.mjs'

const html = (head, body) => `<!doctype html><title>t</title><link rel="icon" href="data:,">${head}<body style="height:4000px">${body}</body>`

// The moments that a hit names, as ages.
const aged = (sent, { A, B, ...hit }) => (A === undefined ? hit : { ...hit, a: sent - A, b: sent - B })

export async function startSink() {
  const tracker = await buildTracker()
  const sink = { hits: [], requests: [], answer: () => 204, pages: {}, scripts: {}, headers: {} }

  function take(req, bytes, res) {
    const status = sink.answer()
    const sent = +new URL(req.url, 'http://sink').searchParams.get('N') // the browser's clock
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b
    const lines = (packed ? gunzipSync(bytes) : bytes).toString().split('\n')
    const hits = lines.map((line) => aged(sent, Object.fromEntries(new URLSearchParams(line))))
    sink.requests.push({ status, hits, packed, headers: req.headers })
    if (status && status < 400) sink.hits.push(...hits)
    if (req.headers.origin) res.setHeader('Access-Control-Allow-Origin', req.headers.origin)
    if (status === 0) return res.destroy() // as if there were no network
    res.writeHead(status, sink.headers).end()
  }

  const server = http.createServer((req, res) => {
    const path = req.url.split('?')[0]
    if (path === '/b') {
      const chunks = []
      req.on('data', (chunk) => chunks.push(chunk)).on('end', () => take(req, Buffer.concat(chunks), res))
    } else if (path === '/s.js' || sink.scripts[path]) {
      res.setHeader('Access-Control-Allow-Origin', '*')
      res.setHeader('Content-Type', 'text/javascript').end(sink.scripts[path] ?? tracker)
    } else {
      const page = sink.pages[path] || {}
      res.writeHead(page.status || 200, { 'Content-Type': 'text/html', ...page.headers })
      res.end(html(page.head ?? `<script async src="/s.js" data-site="shop"></script>`, page.body ?? ''))
    }
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  sink.port = server.address().port
  sink.url = `http://127.0.0.1:${sink.port}`
  sink.other = `http://localhost:${sink.port}` // another host for a browser
  // Of one kind, each once: a browser may send one again when a page dies, with the same number.
  const isRepeat = (hit, i) => sink.hits.findIndex(({ p, n }) => p === hit.p && n === hit.n) < i
  sink.of = (kind) => sink.hits.filter((hit, i) => hit.k === kind && !isRepeat(hit, i))
  sink.waitFor = (what, test, withinMs = 60_000) =>
    eventually(what, () => {
      const found = test(sink)
      if (found) return found
      throw new Error(JSON.stringify(sink.requests.map(({ status, hits }) => [status, hits])))
    }, withinMs)
  sink.clear = () => (sink.hits.splice(0), sink.requests.splice(0))
  sink.close = () => (server.closeAllConnections?.(), new Promise((done) => server.close(done)))
  return sink
}
