// A hit goes the whole way, and every request has the answer it should have.

import assert from 'node:assert/strict'
import { gunzipSync, gzipSync } from 'node:zlib'
import { eventually } from './eventually.mjs'
import { ORIGIN, newId, page, scenario, view } from './world.mjs'

scenario('hits reach the summary within a second, counted exactly', {}, async (world) => {
  const id = newId()
  const sent = Date.now()
  const answers = await Promise.all([
    world.pixel({ s: 'shop', u: ORIGIN + '/pixel' }, { Referer: ORIGIN + '/pixel' }),
    world.beacon([view('/a', { p: id }), view('/b'), view('/b')]),
    world.post(JSON.stringify([{ site: 'shop', url: ORIGIN + '/json', pageview: newId(), number: 0 }])),
    world.post(gzipSync('' + new URLSearchParams(view('/gzip')))),
  ])
  assert.deepEqual(answers.map(({ status }) => status), [200, 204, 204, 204])
  assert.equal((await world.beacon([
    { s: 'shop', k: 'pu', u: ORIGIN + '/a', p: id, n: 1, e: 12000, d: 60, a: 0, b: 0 },
    { s: 'shop', k: 'ol', u: ORIGIN + '/a', p: id, n: 2, t: 'https://other.example/x', a: 0, b: 0 },
    { s: 'shop', k: 'dl', u: ORIGIN + '/a', p: id, n: 3, t: ORIGIN + '/files/a.pdf', a: 0, b: 0 },
    { s: 'shop', k: 'ev', u: ORIGIN + '/a', p: id, n: 4, m: 'signup', a: 0, b: 0 },
  ])).status, 204)

  const summary = await eventually('the summary shows all of it', async () => {
    const now = await world.summary()
    if (now?.totals.views === 6 && now.totals.events === 1) return now
    throw new Error(JSON.stringify(now?.totals))
  })
  console.log(`# in the summary after ${Date.now() - sent} ms`)
  const { totals } = summary
  assert.equal(totals.bot_views, 0)
  assert.equal(totals.engaged_ms, 12000)
  assert.deepEqual([totals.outbound, totals.downloads, totals.events], [1, 1, 1])
  assert.equal(page(summary, '/b').views, 2)
  for (const path of ['/pixel', '/a', '/json', '/gzip']) assert.equal(page(summary, path)?.views, 1, path)
  assert.equal(page(summary, '/a').engaged_ms, 12000)
  assert.equal(summary.outbound[0].target, 'other.example/x')
  assert.equal(summary.downloads[0].file, 'shop.example/files/a.pdf')
  assert.deepEqual(summary.events, [{ name: 'signup', count: 1, goals: 0 }])

  await world.settled({ received: 10 })
  const report = await world.report()
  assert.equal(report.totals.views, 6)
  assert.equal(report.ledger.received, 10)
  assert.equal(report.ledger.counted, 10)
})

// Whatever else runs on this machine may be in the way: then another hit is sent.
scenario('one visible hit takes less than a second', {}, async (world) => {
  let sent = 0
  await eventually('a hit was visible within a second', async () => {
    const began = Date.now()
    assert.equal((await world.beacon([view(`/quick${++sent}`)])).status, 204)
    await eventually('the summary shows it', async () => (await world.summary())?.totals.views === sent)
    const took = Date.now() - began
    console.log(`# visible after ${took} ms`)
    return took < 1000
  })
})

scenario('the pixel', {}, async (world) => {
  const query = '' + new URLSearchParams({ s: 'shop', u: ORIGIN + '/p' })
  const get = await world.request({ path: '/p.gif?' + query })
  assert.equal(get.status, 200)
  assert.equal(get.headers['content-type'], 'image/gif')
  assert.match(get.headers['cache-control'], /no-store/)
  assert.equal(get.body.length, 43)
  assert.equal(get.body.toString('latin1', 0, 6), 'GIF89a')

  const head = await world.request({ path: '/p.gif?' + query, method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.headers['content-length'], '43')
  assert.equal(head.body.length, 0)

  const referer = await world.request({ path: '/p.gif?s=shop', headers: { Referer: ORIGIN + '/from-header' } })
  assert.equal(referer.status, 200)
  await world.settled({ received: 3 })
  const report = await world.report()
  const all = report.pages.find((one) => one.page === 'shop.example/p')
  assert.equal(all.views + all.bot_views, 2)
  assert.ok(report.pages.some((one) => one.page === 'shop.example/from-header'))
})

scenario('a beacon says what was refused, and why', {}, async (world) => {
  const some = await world.beacon([view('/ok'), { ...view('/x'), e: 'much' }, { ...view('/x'), s: 'nobody' }, { ...view('/x'), k: 'zz' }])
  assert.equal(some.status, 200)
  assert.match(some.headers['content-type'], /json/)
  const { taken, refused } = JSON.parse(some.body)
  assert.equal(taken, 1)
  assert.deepEqual(refused.map(({ line, why, field }) => [line, why, field]).slice(0, 1), [[2, 'bad_number', 'e']])
  assert.deepEqual(refused.map(({ line, why }) => [line, why]), [[2, 'bad_number'], [3, 'unknown_site'], [4, 'bad_kind']])

  for (const body of ['no hit at all', '{"site":', '[1]', '{}']) {
    const none = await world.post(body)
    assert.equal(none.status, 400, body)
    assert.equal(JSON.parse(none.body).taken, 0, body)
  }
  assert.equal((await world.beacon([view('/evil')], { Origin: 'https://evil.example' })).status, 400)

  const inQuery = await world.request({ path: '/b?' + new URLSearchParams(view('/in-query')), method: 'POST', headers: { Origin: ORIGIN } })
  assert.equal(inQuery.status, 204)
  const ledger = await eventually('each refusal is in the ledger', async () => {
    await world.settled({ received: 2 })
    const { ledger } = await world.report()
    return ledger.verdicts.bad_number === 1 && ledger.verdicts.bad_kind === 1 && ledger
  })
  assert.equal(ledger.counted, 2)
  const { hits } = await world.stats()
  assert.equal(hits.taken, 2)
  assert.equal(hits.unknown_site, 1)
  assert.equal(hits.bad_origin, 1)
})

scenario('CORS names the exact origin', {}, async (world) => {
  const ask = (path, origin, method = 'OPTIONS') =>
    world.request({
      path, method, headers: {
        Origin: origin, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'content-type,x-other',
      },
    })
  for (const path of ['/b', '/p.gif']) {
    const good = await ask(path, ORIGIN)
    assert.equal(good.status, 204)
    assert.equal(good.headers['access-control-allow-origin'], ORIGIN)
    assert.equal(good.headers['access-control-allow-credentials'], 'true')
    assert.equal(good.headers['access-control-allow-headers'], 'content-type,x-other')
    assert.match(good.headers['access-control-allow-methods'], /POST/)
    assert.match(good.headers.vary, /Origin/)
    assert.equal((await ask(path, 'https://evil.example')).headers['access-control-allow-origin'], undefined)
  }
  const sent = await world.beacon([view('/c')])
  assert.equal(sent.headers['access-control-allow-origin'], ORIGIN)
  assert.equal(sent.headers['access-control-allow-credentials'], 'true')
})

scenario('the tracker, health, and what is neither', {}, async (world) => {
  const plain = await world.request({ path: '/s.js' })
  assert.equal(plain.status, 200)
  assert.match(plain.headers['content-type'], /javascript/)
  assert.equal(plain.headers['content-encoding'], undefined)
  const packed = await world.request({ path: '/s.js', headers: { 'Accept-Encoding': 'gzip, br;q=0' } })
  assert.equal(packed.headers['content-encoding'], 'gzip')
  assert.match(packed.headers.vary, /Accept-Encoding/)
  assert.deepEqual(gunzipSync(packed.body), plain.body)
  const again = await world.request({ path: '/s.js', headers: { 'If-None-Match': packed.headers.etag } })
  assert.equal(again.status, 304)
  assert.equal(again.body.length, 0)
  const other = await world.request({ path: '/s.js', headers: { 'If-None-Match': '"other"' } })
  assert.equal(other.status, 200)

  const health = await world.request({ path: '/healthz' })
  assert.deepEqual([health.status, '' + health.body], [200, 'ok\n'])
  assert.equal((await world.request({ path: '/nothing' })).status, 404)
  assert.equal((await world.request({ path: '/demo/' })).status, 404, 'no demo unless asked for')
  for (const [path, method, allow] of [['/b', 'DELETE', 'GET, HEAD, POST, OPTIONS'], ['/p.gif', 'POST', 'GET, HEAD, OPTIONS'], ['/s.js', 'PUT', 'GET, HEAD']]) {
    const answer = await world.request({ path, method })
    assert.equal(answer.status, 405, `${method} ${path}`)
    assert.equal(answer.headers.allow, allow)
  }
})

scenario('requests on one connection are answered in order', {}, async (world) => {
  const pipelined = ['/healthz', '/p.gif?s=shop&u=https%3A%2F%2Fshop.example%2Fone', '/nothing', '/healthz']
    .map((path, i, all) => `GET ${path} HTTP/1.1\r\nHost: h\r\n${i === all.length - 1 ? 'Connection: close\r\n' : ''}\r\n`)
  const answer = await world.raw(pipelined.join(''))
  assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200'])
  const bad = await world.raw('GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n')
  assert.match(bad, /^HTTP\/1\.1 400 /)
  assert.match(bad, /\r\nConnection: close\r\n/i)
  await world.settled({ received: 1 })
})
