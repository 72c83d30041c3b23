// Each hit has exactly one fate, and the ledger adds up: received = counted + duplicate + late +
// opted out + malformed + over limit.

import assert from 'node:assert/strict'
import { eventually } from './eventually.mjs'
import { ORIGIN, newId, page, scenario, view } from './world.mjs'

const LINES = ['counted', 'duplicate', 'late', 'opted_out', 'malformed', 'over_limit', 'left_out']

function balances(ledger) {
  const sum = LINES.reduce((total, line) => total + ledger[line], 0)
  assert.equal(sum, ledger.received, JSON.stringify(ledger))
}

scenario('the same beacon twice counts once', {}, async (world) => {
  const id = newId()
  const beacon = [
    view('/a', { p: id }),
    { s: 'shop', k: 'pu', p: id, n: 1, u: ORIGIN + '/a', e: 5000, d: 40, a: 0, b: 5000 },
    { s: 'shop', k: 'ev', p: id, n: 2, u: ORIGIN + '/a', m: 'signup', a: 0, b: 5000 },
  ]
  for (let i = 0; i < 3; i++) assert.equal((await world.beacon(beacon)).status, 204)
  await world.settled({ received: 9 })
  const { totals, ledger } = await world.report()
  assert.deepEqual([totals.views, totals.events, totals.engaged_ms], [1, 1, 5000])
  assert.deepEqual([ledger.counted, ledger.duplicate], [3, 6])
  balances(ledger)
})

scenario('registers only rise, in whatever order they come', {}, async (world) => {
  const id = newId()
  const pulse = (n, e) => ({ s: 'shop', k: 'pu', p: id, n, u: ORIGIN + '/r', e, a: 0, b: 20000 })
  for (const hit of [pulse(3, 15000), pulse(1, 5000), view('/r', { p: id, a: 20000, b: 20000 }), pulse(2, 9000)])
    assert.equal((await world.beacon([hit])).status, 204)
  await world.settled({ received: 4 })
  const report = await world.report()
  assert.equal(page(report, '/r').engaged_ms, 15000)
  assert.equal(page(report, '/r').views, 1)
  assert.equal(report.totals.bounces, 0, '15 s engaged is no bounce')
  balances(report.ledger)
})

scenario('opted out is one number', {}, async (world) => {
  assert.equal((await world.beacon([{ s: 'shop', o: 1 }])).status, 204)
  assert.equal((await world.beacon([view('/gpc')], { 'Sec-GPC': '1' })).status, 204)
  assert.equal((await world.beacon([view('/dnt'), view('/dnt')], { DNT: '1' })).status, 204)
  assert.equal((await world.pixel({ s: 'shop', u: ORIGIN + '/dnt' }, { DNT: '1' })).status, 200)
  await world.beacon([view('/seen')])
  const report = await eventually('opted-out hits are in the ledger', async () => {
    const now = await world.report()
    return now.ledger.opted_out === 5 && now.ledger.counted === 1 && now
  })
  assert.deepEqual(report.pages.map((one) => one.page), ['shop.example/seen'])
  balances(report.ledger)
})

scenario('refused hits stand in the ledger with their reason', { collector: { beacon_max_hits: 4 } }, async (world) => {
  const bad = [
    { ...view('/x'), n: 'one' }, { ...view('/x'), k: 'zz' }, { ...view('/x'), u: 'x'.repeat(9000) }, { ...view('/x'), u: 'http://[' },
  ]
  assert.equal((await world.beacon(bad)).status, 400)
  assert.equal((await world.beacon(Array.from({ length: 7 }, () => view('/many')))).status, 200)
  const report = await eventually('every hit has its line', async () => {
    const now = await world.report()
    if (now.ledger.received >= 8 && now.ledger.counted === 4) return now
    throw new Error(JSON.stringify(now.ledger))
  })
  const { verdicts } = report.ledger
  assert.deepEqual([verdicts.bad_number, verdicts.bad_kind, verdicts.too_long, verdicts.bad_page], [1, 1, 1, 1])
  balances(report.ledger)
})

scenario('bots are counted apart, with the rule that named them', {}, async (world) => {
  await world.beacon([view('/a')])
  await world.pixel({ s: 'shop', u: ORIGIN + '/a' }, { 'User-Agent': 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' })
  await world.beacon([view('/a', { w: 1 })])
  await world.settled({ received: 3 })
  const report = await world.report()
  assert.deepEqual([report.totals.views, report.totals.bot_views], [1, 2])
  assert.deepEqual([page(report, '/a').views, page(report, '/a').bot_views], [1, 2])
  assert.equal(report.bots.length, 2)
  assert.equal(report.ledger.counted, 3)
  balances(report.ledger)
})

scenario('persons are those who consented; the others are daily visitors', {}, async (world) => {
  const person = { c: 1, v: newId() }
  await world.beacon([view('/a', person), view('/b', person)])
  for (const address of ['198.51.100.1', '198.51.100.2', '198.51.100.1'])
    await world.beacon([view('/a')], { 'X-Forwarded-For': address })
  await world.beacon([view('/a', { v: newId() })], { 'X-Forwarded-For': '198.51.100.2' }) // an id without consent is none
  await world.settled({ received: 6 })
  const { totals } = await world.report()
  assert.deepEqual([totals.views, totals.visitors, totals.daily_visitors, totals.sessions], [6, 1, 2, 3])
})

scenario('a hit that lay in a journal for too long is late', {}, async (world) => {
  const other = await world.collectorBeside('other')
  const LATE_MS = 72 * 3600 * 1000
  // It waits in the first collector's journal, while the second one tells of newer times.
  await world.redis.kill9()
  assert.equal((await world.beacon([view('/late', { a: LATE_MS - 1, b: LATE_MS - 1 })])).status, 204)
  await world.collector.kill9()
  await world.redis.start()
  await other.start()
  const fresh = await world.request({ port: other.port, path: '/p.gif?' + new URLSearchParams(view('/fresh')) })
  assert.equal(fresh.status, 200)
  await eventually('the fresh hit is folded', async () => (await world.report()).ledger.counted === 1)
  await world.collector.start()
  const report = await eventually('the old one is late', async () => {
    const now = await world.report('shop', '--last', '7d') // it is late on its own day
    return now.ledger.late === 1 && now
  })
  assert.deepEqual(report.pages.map((one) => one.page), ['shop.example/fresh'])
  balances(report.ledger)
})
