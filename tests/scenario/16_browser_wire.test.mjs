// What browsers send, as they send it: preflights, pages that say nothing of themselves, blobs and
// gzip, and the cookie that keeps a visitor's id where scripts may not. What they load: the tracker
// and what lies beside it, in the form and with the hash that a page asks for.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { run } from './process.mjs'
import { AGENT, ORIGIN, newId, program, scenario, view } from './world.mjs'

const DAY_S = 86400
const EXPOSED = 'Retry-After, X-Sentier-Refused'
const sites = { shop: { origins: ORIGIN, cookie: 'yes' }, plain: { origins: 'https://plain.example' } }

const preflight = (world, path, headers) =>
  world.request({ path, method: 'OPTIONS', headers: { Origin: ORIGIN, 'Access-Control-Request-Method': 'POST', ...headers } })

async function hitsInJournal(world) {
  const dir = join(world.data, 'journal')
  const files = readdirSync(dir).filter((name) => name.endsWith('.seg')).map((name) => join(dir, name))
  const { out } = await run(program('sentier-journal'), ['dump', ...files])
  return out.trim().split('\n').map((line) => JSON.parse(line))
}

async function gzip(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))
  return Buffer.from(await new Response(stream).arrayBuffer())
}

scenario('preflights say yes to pages of a site; what is no request is refused so that a page can read it', { sites }, async (world) => {
  const asked = { 'Access-Control-Request-Headers': 'content-type', 'Access-Control-Request-Private-Network': 'true' }
  for (const path of ['/b', '/p.gif']) {
    for (const origin of [ORIGIN, 'https://plain.example', 'null']) {
      const { status, headers } = await preflight(world, path, { Origin: origin, ...asked })
      assert.equal(status, 204)
      assert.equal(headers['access-control-allow-origin'], origin)
      assert.equal(headers['access-control-allow-credentials'], 'true')
      assert.equal(headers['access-control-allow-headers'], 'content-type')
      assert.equal(headers['access-control-allow-private-network'], 'true')
      assert.match(headers['access-control-allow-methods'], /POST/)
      assert.ok(Number(headers['access-control-max-age']) >= 7200)
    }
    const { status, headers } = await preflight(world, path, { Origin: 'https://evil.example', ...asked })
    assert.deepEqual([status, Object.keys(headers).filter((name) => name.startsWith('access-control'))], [204, []])
  }

  const cut = (await gzip('x'.repeat(1000))).subarray(0, -9)
  for (const [body, headers, want] of [
    ['x'.repeat(70_000), {}, 413],
    [await gzip('x'.repeat(70_000)), {}, 413],
    [cut, {}, 400],
    ['x', { 'Content-Encoding': 'br' }, 415],
    ['x', { Origin: 'https://' + 'x'.repeat(20_000) }, 431],
  ]) {
    const answer = await world.post(body, headers)
    assert.equal(answer.status, want)
    const readable = want !== 431
    assert.equal(answer.headers['access-control-allow-origin'], readable ? ORIGIN : undefined)
    assert.equal(answer.headers['access-control-allow-credentials'], readable ? 'true' : undefined)
  }
  assert.equal((await world.stats()).hits.bad_query, 0, 'none of them is a hit')
})

scenario('whatever form a browser gives a body, its hits are taken', { sites }, async (world) => {
  const pile = (n) => Array.from({ length: n }, (_, i) => '' + new URLSearchParams(view('/' + i))).join('\n')
  const forms = [
    ['text/plain;charset=UTF-8', pile(2)],
    ['application/x-www-form-urlencoded', pile(1)],
    ['application/json', JSON.stringify([view('/a'), view('/b')])],
    ['', pile(1)], // a Blob without a type
    ['application/octet-stream', pile(1)],
    ['application/gzip', await gzip(pile(3))], // sendBeacon(url, new Blob([…], { type }))
    ['text/plain', await gzip(JSON.stringify(view('/c')))],
  ]
  for (const [type, body] of forms) {
    const { status, headers } = await world.post(body, { 'Content-Type': type, 'Sec-Fetch-Mode': 'no-cors' })
    assert.equal(status, 204, type)
    assert.equal(headers['access-control-allow-origin'], ORIGIN)
    assert.equal(headers['access-control-allow-credentials'], 'true')
    assert.equal(headers['cross-origin-resource-policy'], 'cross-origin') // read by no-cors under COEP
  }
  const fetched = await world.post(await gzip(pile(2)), { 'Content-Encoding': 'gzip' })
  assert.equal(fetched.status, 204)
  const image = await world.request({ path: '/b?' + pile(1), headers: { 'User-Agent': AGENT, 'Accept-Language': 'en', Referer: ORIGIN + '/' } })
  assert.deepEqual([image.status, image.headers['content-type']], [200, 'image/gif'])
  await world.settled({ received: 14 })
  assert.equal((await world.report()).totals.views, 14)
})

scenario('hits tell moments of a clock that may be wrong by years, and links, topics and events in short', { sites }, async (world) => {
  const clock = Date.UTC(2001, 8, 9) // what the browser takes for now
  const HOUR = 3600_000
  const p = newId()
  const told = (ago, begun, more) => ({ s: 'shop', u: ORIGIN + '/a', p, A: clock - ago, B: clock - begun, ...more })
  const { status, body } = await world.beacon([
    told(2 * HOUR, 2 * HOUR, { k: 'pv', n: 0 }),
    told(HOUR, 2 * HOUR, { k: 'ln', n: 1, l: Array.from({ length: 70 }, (_, i) => '/' + i).join('\n') }),
    told(HOUR, 2 * HOUR, { k: 'mt', n: 2, T: 'A', y: 'run, 40:boots' }),
    told(-HOUR, 2 * HOUR, { k: 'ev', n: 3, m: 'signup?plan=pro&goal=1' }), // the clock was set back
    told(0, 80 * HOUR, { k: 'ct', n: 4 }),
    told(73 * HOUR, 73 * HOUR, { k: 'pv', p: newId() }),
  ], {}, '/b?N=' + clock)
  assert.equal(status, 200)
  assert.deepEqual(JSON.parse(body).refused.map(({ line, why, field }) => [line, why, field]), [[6, 'late', 'A']])

  await world.settled({ received: 6 })
  assert.equal((await world.stats()).hits.late, 1)
  const [view, links, about, event, control] = (await hitsInJournal(world)).filter((hit) => hit.page)
  const before = (hit) => control.at_ms - hit.at_ms
  assert.deepEqual([view, links, about, event].map(before), [2 * HOUR, HOUR, HOUR, 0])
  assert.deepEqual([links.links.length, links.links[63], links.more], [64, 'shop.example/63', true])
  assert.deepEqual(about.topics, [{ weight: 100, topic: 'run' }, { weight: 40, topic: 'boots' }])
  assert.deepEqual([event.properties, event.goal, control.name], [{ plan: 'pro' }, true, '(unnamed)'])
  const { totals, ledger } = await world.report('shop', '--last', '7d')
  assert.deepEqual([totals.goals, ledger.counted, ledger.late], [1, 5, 1])
})

scenario('a page that says nothing of itself counts; one that says it is another does not', { sites }, async (world) => {
  const ask = async (headers) => (await world.beacon([view('/a')], headers)).status
  assert.equal(await ask({ Origin: 'null' }), 204) // Referrer-Policy: no-referrer, sandboxed frames
  assert.equal(await ask({ Origin: 'null', Referer: ORIGIN + '/' }), 204)
  assert.equal(await ask({ Origin: 'null', Referer: 'https://evil.example/' }), 400)
  assert.equal(await ask({ Origin: 'https://evil.example' }), 400)
  const blind = await world.beacon([view('/a')], { Origin: 'null' })
  assert.equal(blind.headers['access-control-allow-origin'], 'null')
  const pixel = await world.pixel({ ...view('/a'), n: 'x' }, { Origin: ORIGIN })
  assert.deepEqual([pixel.status, pixel.headers['x-sentier-refused'], pixel.headers['access-control-expose-headers']], [400, 'bad_number n', EXPOSED])
  assert.equal(pixel.headers['access-control-allow-origin'], ORIGIN)
  await world.settled({ received: 6 })
  const { totals, ledger } = await world.report()
  assert.deepEqual([totals.views, ledger.verdicts.bad_origin, ledger.verdicts.bad_number], [3, 2, 1])
})

scenario('a disk that is full says when to come again, and the page can read it', { sites, collector: { journal_reserve: '1024G' } }, async (world) => {
  const { status, headers } = await world.beacon([view('/a', { c: 1, v: 'abc' })])
  assert.deepEqual([status, headers['retry-after'], headers['access-control-expose-headers']], [503, '1', EXPOSED])
  assert.equal(headers['access-control-allow-origin'], ORIGIN)
  assert.equal(headers['set-cookie'], undefined)
})

// ---- the cookie

const KEPT = /^sentier-shop=([0-9a-z]+)\.(\d+); Max-Age=34128000; Path=\/; HttpOnly; SameSite=Lax; Secure$/
const GONE = 'sentier-shop=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure'

// A browser that keeps cookies: what it was told last is what it brings.
class Browser {
  constructor(world) {
    this.world = world
    this.jar = undefined
  }

  async send(lines, headers = {}) {
    const answer = await this.world.beacon(lines, this.jar ? { Cookie: `lang=fr; ${this.jar}`, ...headers } : headers)
    assert.equal(answer.status, 204, `${answer.body}`)
    const set = answer.headers['set-cookie']?.[0]
    if (set === GONE) this.jar = undefined
    else if (set) this.jar = set.split(';')[0]
    return set
  }
}

scenario('an id outlives the storage of scripts in the cookie, and goes when its visitor says so', { sites, collector: { workers: 1 } }, async (world) => {
  const browser = new Browser(world)
  const consented = (v, more = {}) => view('/a', { c: 1, v, p: newId(), ...more })
  const [first, second, third, fourth] = ['first', 'second', 'third', 'fourth']

  assert.equal(await browser.send([view('/a')]), undefined, 'no consent, no cookie')
  const [, id, created] = KEPT.exec(await browser.send([consented(first)]))
  assert.equal(id, first)
  assert.ok(Math.abs(created - Date.now() / 1000) < 600)
  assert.equal(await browser.send([consented(first)]), undefined, 'not prolonged')

  // Seven days later: the script has a new id, the cookie knows better.
  const aged = (created, days) => `sentier-shop=${first}.${created - days * DAY_S}`
  browser.jar = aged(created, 7)
  assert.equal(await browser.send([consented(second), consented(second, { k: 'pu', e: 5 })]), undefined)
  assert.equal(await browser.send([consented(third, { b: 2 * DAY_S * 1000 })]), undefined)
  // A pageview that is older than the cookie: its hits stay together.
  browser.jar = aged(created, 1)
  assert.equal(await browser.send([consented(third, { k: 'pu', b: 2 * DAY_S * 1000 })]), undefined)
  // 13 months later.
  browser.jar = aged(created, 395)
  assert.match(await browser.send([consented(second)]), new RegExp(`^sentier-shop=${second}\\.`))
  // Logged out: an id made on purpose.
  browser.jar = aged(created, 1)
  assert.match(await browser.send([consented(fourth + '-.' + Date.now())]), new RegExp(`^sentier-shop=${fourth}\\.`))
  assert.equal(await browser.send([consented(fourth + '-', { k: 'pu', e: 9 })]), undefined)

  // No consent any more, opted out, or the browser says so for its person.
  for (const [line, headers] of [[view('/a'), {}], [view('/a', { c: 0 }), {}], [{ s: 'shop', o: 1 }, {}], [consented(first), { 'Sec-GPC': '1' }], [consented(first), { DNT: '1' }]]) {
    browser.jar = aged(created, 1)
    assert.equal(await browser.send([line], headers), GONE)
  }

  await world.settled({ received: 15 })
  const visitors = (await hitsInJournal(world)).filter((hit) => hit.visitor_kind === 'consented').map((hit) => hit.visitor)
  assert.deepEqual(visitors, [first, first, first, first, first, third, second, fourth, fourth])
  const { verdicts } = (await world.report()).ledger
  assert.equal(verdicts.opted_out, 3)
})

scenario('the cookie follows where the page is, and how it came here; what browsers lost is counted, and said', { sites }, async (world) => {
  const line = view('/a', { c: 1, v: 'abc' })
  const ends = async (headers) => (await world.beacon([line], headers)).headers['set-cookie'][0].split('HttpOnly; ')[1]
  assert.equal(await ends({ 'Sec-Fetch-Site': 'same-origin' }), 'SameSite=Lax; Secure')
  assert.equal(await ends({ 'Sec-Fetch-Site': 'same-site' }), 'SameSite=Lax; Secure')
  assert.equal(await ends({ 'Sec-Fetch-Site': 'cross-site' }), 'SameSite=None; Secure; Partitioned')
  assert.equal(await ends({ 'X-Forwarded-Proto': 'https' }), 'SameSite=Lax; Secure')
  assert.equal(await ends({ 'X-Forwarded-Proto': 'http' }), 'SameSite=Lax') // loopback is trusted
  const plain = await world.beacon([{ ...line, s: 'plain', u: 'https://plain.example/' }], { Origin: 'https://plain.example', Cookie: 'sentier-shop=x.1; sentier-plain=x.1' })
  assert.deepEqual([plain.status, plain.headers['set-cookie']], [204, undefined])

  const status = () => run(program('sentier-report'), ['status', '--conf', world.conf, '--redis', `unix:${world.socket}`])
  assert.equal((await world.beacon([view('/a', { h: 7 }), view('/b'), view('/c', { h: 5 })])).status, 204)
  await world.settled({ received: 9 })
  assert.equal((await world.stats()).dropped_by_browsers, 12)
  assert.match((await status()).out, /12 hits lost in browsers/)
})

// ---- what is loaded

scenario('scripts come in the smallest form that is asked for, and may be read by any page', { sites, collector: { script_path: '/js/t.js' } }, async (world) => {
  for (const path of ['/js/t.js', '/js/vitals.js', '/js/gzip.js']) {
    const get = (headers) => world.request({ path, headers })
    const [plain, gzip, brotli] = [await get({}), await get({ 'Accept-Encoding': 'gzip, deflate' }), await get({ 'Accept-Encoding': 'gzip, deflate, br, zstd' })]
    assert.deepEqual([plain, gzip, brotli].map(({ headers }) => headers['content-encoding']), [undefined, 'gzip', 'br'])
    assert.deepEqual(gunzipSync(gzip.body), plain.body)
    assert.deepEqual(brotliDecompressSync(brotli.body), plain.body)
    assert.ok(brotli.body.length < gzip.body.length && gzip.body.length < plain.body.length)
    for (const { status, headers } of [plain, gzip, brotli, await get({ 'If-None-Match': brotli.headers.etag })]) {
      assert.equal(status, headers['content-type'] ? 200 : 304)
      assert.deepEqual([headers['access-control-allow-origin'], headers['timing-allow-origin'], headers.vary], ['*', '*', 'Accept-Encoding'])
      assert.equal(headers.etag, plain.headers.etag)
    }
    assert.deepEqual([plain.headers['content-type'], plain.headers['x-content-type-options']], ['text/javascript; charset=utf-8', 'nosniff'])
  }
  assert.equal((await world.request({ path: '/s.js' })).status, 404)
})

scenario('sentier site snippet prints what a page needs, with the hash of what is served', { sites: { ...sites, app: { hash_routing: 'yes' } } }, async (world) => {
  const snippet = (...args) => run(program('sentier-site'), ['snippet', ...args, '--conf', world.conf])
  const at = ['--url', 'https://stats.example/']
  const { body } = await world.request({ path: '/s.js' })
  const hash = 'sha384-' + createHash('sha384').update(body).digest('base64')
  const shop = await snippet('shop', ...at)
  assert.deepEqual([shop.code, shop.out.split('\n')], [0, [
    `<script async src="https://stats.example/s.js" data-site="shop" data-cookie="include" integrity="${hash}" crossorigin="anonymous"></script>`,
    '<noscript><img src="https://stats.example/p.gif?s=shop" width="1" height="1" alt="" referrerpolicy="no-referrer-when-downgrade"></noscript>',
    '',
  ]])
  assert.match(shop.err, /after an upgrade of the collector/)
  const app = await snippet('app', ...at, '--no-integrity', '--set', 'collector.script_path=/js/t.js')
  assert.equal(app.out.split('\n')[0], '<script async src="https://stats.example/js/t.js" data-site="app" data-endpoint="https://stats.example/b" data-hash></script>')
  assert.equal(app.err, '')
  for (const [args, message] of [[['nobody', ...at], /there is no \[site nobody\]/], [['shop', '--url', 'stats.example'], /--url: must be/], [['shop', 'more', ...at], /sentier site snippet NAME/]]) {
    const refused = await snippet(...args)
    assert.equal(refused.code, 2)
    assert.match(refused.err, message)
  }
})
