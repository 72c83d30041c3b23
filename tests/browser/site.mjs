// A web site of somebody's that has the tracker in its pages. Its pages are on another origin than
// the collector, as they are in life.

import http from 'node:http'

// Before anything else in a page: the driver's mark is taken away, or the collector would rightly
// count a bot (Firefox and WebKitGTK have no switch for it); and what goes wrong is noted, in the
// one place that outlives the page and is no new global.
const PERSON = `
  if (navigator.webdriver) Object.defineProperty(navigator, 'webdriver', { value: false })
  addEventListener('error', (e) => { name += (e.message || 'not loaded: ' + e.target.src) + '\\n' }, true)
  addEventListener('unhandledrejection', (e) => { name += e.reason + '\\n' })
  addEventListener('securitypolicyviolation', (e) => { name += e.violatedDirective + ' ' + e.blockedURI + '\\n' })`

export const STUB = `<script>window.sentier=window.sentier||function(){(sentier.q=sentier.q||[]).push(arguments)}</script>`

// pages: PATH -> {status, headers, before, attributes, head, body}. `before` is a script that runs
// before the tracker, `attributes` are more ones of its tag; null: no tracker.
export async function startSite({ port, name, collector }) {
  const pages = {}
  const asked = [] // paths
  const page = ({ before = '', attributes = '', head = '', body = '' }, nonce) => {
    const script = (text) => `<script${nonce ? ` nonce="${nonce}"` : ''}>${text}</script>`
    const tracker = `<script async src="http://127.0.0.1:${collector}/s.js" data-site="${name}" ${attributes}></script>`
    return `<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
      ${script(PERSON)}${before && script(before)}${head}${attributes === null ? '' : tracker}</head><body>${body}</body></html>`
  }
  const server = http.createServer((req, res) => {
    const path = req.url.split('?')[0]
    asked.push(path)
    const one = pages[path] ?? { status: 404, attributes: null }
    res.writeHead(one.status ?? 200, { 'Content-Type': 'text/html', ...one.headers })
    res.end(one.bytes ?? page(one, one.nonce))
  })
  await new Promise((done) => server.listen(port, '127.0.0.1', done))
  const close = () => (server.closeAllConnections(), new Promise((done) => server.close(done)))
  return { name, collector: `http://127.0.0.1:${collector}`, url: `http://127.0.0.1:${port}`, other: `http://localhost:${port}`, host: `127.0.0.1:${port}`, pages, asked, close }
}
