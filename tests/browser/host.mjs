// A site of one's own for a test, that serves the tracker itself; where its hits go, the page says.

import http from 'node:http'
import { readFileSync } from 'node:fs'
import { program } from '../scenario/world.mjs'

// pageOf(path, query) gives the HTML of a page; scripts: {PATH: bytes} beside the tracker's /s.js, for which
// $SENTIER_TRACKER may name another file than the one that the build has for the collector.
export async function startHost(pageOf, scripts = {}) {
  const tracker = readFileSync(process.env.SENTIER_TRACKER || program('generated/s.js'))
  const served = { '/s.js': tracker, ...scripts }
  const server = http.createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url, 'http://host')
    if (served[pathname]) return res.setHeader('Content-Type', 'text/javascript').end(served[pathname])
    if (req.method === 'POST') return req.resume().on('end', () => res.writeHead(204).end())
    res.setHeader('Content-Type', 'text/html').end(pageOf(pathname, Object.fromEntries(searchParams)))
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const name = `127.0.0.1:${server.address().port}`
  const close = () => (server.closeAllConnections(), new Promise((done) => server.close(done)))
  return { name, url: 'http://' + name, served, close }
}
