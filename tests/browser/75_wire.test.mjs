// The collector before a real Chromium: what it takes of blobs, gzip, and pages that say nothing of
// themselves; whether the cookie comes back, and to whom; that a tracker runs with its hash alone.
// Hosts below localhost are sites of their own, and as good as TLS to a browser.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { program, freePort, scenario } from '../scenario/world.mjs'
import { run } from '../scenario/process.mjs'
import { newPage, withChromium } from './chromium.mjs'

const OWN = 'shop.localhost' // the collector's
const OTHER = 'blog.localhost' // another site

const port = await freePort()
const at = (host, path = '/') => `http://${host}:${port}${path}`
const sites = { shop: { origins: [at(OWN, ''), at(OTHER, '')].join(' '), cookie: 'yes' } }
const html = {}
const headers = {}

async function inChromium(body) {
  const server = createServer((req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/html', ...headers[req.url] })
    res.end(`<!doctype html><link rel="icon" href="data:,">${html[req.url] ?? ''}`)
  })
  await new Promise((done) => server.listen(port, '127.0.0.1', done))
  try {
    await withChromium(async (browser) => body(await newPage(browser)))
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const line = (v) => '' + new URLSearchParams({ s: 'shop', u: at(OWN, '/a'), c: 1, v })

const ask = (page, url, v, init = {}) =>
  page.evaluate((url, init) => fetch(url, { method: 'POST', credentials: 'include', ...init }).then((answer) => `${answer.type} ${answer.status}`, String), url, { body: line(v), ...init })

// The jars that hold the collector's cookie: { site of the page, or "" for all: value }
async function jars(page) {
  const session = await page.createCDPSession()
  const { cookies } = await session.send('Storage.getCookies')
  assert.ok(cookies.every(({ name, httpOnly, secure, path }) => name === 'sentier-shop' && httpOnly && secure && path === '/in/'))
  return Object.fromEntries(cookies.map(({ value, partitionKey }) => [partitionKey?.topLevelSite ?? '', value.split('.')[0]]))
}

scenario('what Chromium sends is taken, and the cookie comes back where its site is', { sites, collector: { workers: 1, beacon_path: '/in/b' } }, async (world) => {
  const url = `http://${OWN}:${world.port}/in/b`
  headers['/embedder'] = { 'Cross-Origin-Embedder-Policy': 'require-corp' }
  html['/quiet'] = '<meta name="referrer" content="no-referrer">'
  await inChromium(async (page) => {
    await page.goto(at(OWN))
    assert.equal(await ask(page, url, 'own'), 'cors 204')
    assert.equal(await ask(page, url, 'x'), 'cors 204')
    assert.deepEqual(await jars(page), { '': 'own' })
    assert.equal(await page.evaluate(() => document.cookie), '', 'scripts do not see it')

    await page.goto(at(OTHER)) // never the other site's
    assert.equal(await ask(page, url, 'other'), 'cors 204')
    assert.equal(await ask(page, url, 'x'), 'cors 204')
    assert.deepEqual(await jars(page), { '': 'own', [`http://${OTHER}`]: 'other' })

    const sent = await page.evaluate(async (url, text) => {
      const packed = await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer()
      await fetch(url, { method: 'POST', body: packed })
      await fetch(url, { method: 'POST', body: packed, headers: { 'Content-Encoding': 'gzip' } }) // asks before
      return ['', 'text/plain', 'application/gzip'].map((type) => navigator.sendBeacon(url, new Blob([packed], { type })))
    }, url, line('x'))
    assert.deepEqual(sent, [true, true, true])

    await page.goto(at(OTHER, '/embedder'))
    assert.equal(await ask(page, url, 'x', { mode: 'no-cors' }), 'opaque 0')
    await page.goto(at(OWN, '/quiet'))
    assert.equal(await ask(page, url, 'x'), 'cors 204')
    const framed = await page.evaluate((url, body) => new Promise((done) => {
      addEventListener('message', (event) => done(event.data))
      const frame = document.createElement('iframe')
      frame.sandbox = 'allow-scripts' // its origin is null
      frame.srcdoc = `<script>fetch('${url}', { method: 'POST', body: '${body}' }).then((answer) => parent.postMessage(answer.status, '*'))</script>`
      document.body.append(frame)
    }), url, line('x'))
    assert.equal(framed, 204)

    assert.equal(await ask(page, url, '', { body: 's=shop&o=1' }), 'cors 204')
    assert.deepEqual(await jars(page), { [`http://${OTHER}`]: 'other' }, 'opted out, on this site')
  })
  await world.settled({ received: 13 })
  const { totals, ledger } = await world.report()
  assert.deepEqual([totals.views, ledger.verdicts.opted_out], [12, 1])
})

scenario('the snippet runs the tracker, and a hash of another version does not', { sites: { shop: { origins: at(OWN, '') } } }, async (world) => {
  const { out } = await run(program('sentier-site'), ['snippet', 'shop', '--url', `http://stats.localhost:${world.port}`, '--conf', world.conf])
  html['/right'] = out
  html['/wrong'] = out.replace('sha384-', 'sha384-AAAA')
  await inChromium(async (page) => {
    await page.goto(at(OWN, '/wrong'), { waitUntil: 'load' })
    assert.equal(await page.evaluate(() => typeof window.sentier), 'undefined')
    await page.goto(at(OWN, '/right'), { waitUntil: 'load' })
    await page.waitForFunction(() => typeof window.sentier === 'function')
  })
  await world.settled({ received: 1 })
  const { pages } = await world.report()
  assert.deepEqual(pages.map(({ page, views }) => [page, views]), [[`${OWN}:${port}/right`, 1]])
})
