// A page of thanks is loaded once, and again: the purchase that it tells counts once per order, by
// pixel or beacon, with consent and without.

import assert from 'node:assert/strict'
import { run } from './process.mjs'
import { ORIGIN, newId, page, program, scenario, view } from './world.mjs'

const person = { c: 1, v: newId() }
const bought = (order, more = {}) => ({ s: 'shop', k: 'pc', u: ORIGIN + '/thanks', V: 1999, C: 'EUR', ...(order && { O: order }), ...more })

// A load of the page as the tracker tells it, and the purchase as an image on it tells it.
async function thanks(world, order, age, who = {}) {
  await world.beacon([view('/thanks', { a: age, b: age, ...who })])
  assert.equal((await world.pixel(bought(order, { a: age, b: age, ...who }))).status, 200)
}

// {code, customers, err}
async function customers(world) {
  const { code, out, err } = await run(program('sentier-report'), ['customers', '--conf', world.conf, '--site', 'shop', '--format', 'json'])
  return { code, err, customers: out && JSON.parse(out).customers }
}

scenario('an order counts once, whatever loads its page of thanks again', {}, async (world) => {
  const figures = async () => {
    const report = await world.report()
    return [report.totals.purchases, report.purchases[0]?.revenue_minor, page(report, '/thanks').purchases]
  }
  await thanks(world, 'A-1', 1000)
  await thanks(world, 'A-1', 9000) // told later, done earlier
  await world.settled({ received: 4 })
  assert.deepEqual(await figures(), [1, 1999, 1])
  for (const [order, age] of [['B-1', 5000], ['B-1', 4000], ['B-2', 3000], ['B-1', 2000]]) await thanks(world, order, age, person)
  await world.settled({ received: 12 })
  assert.deepEqual(await figures(), [3, 5997, 3])
  const [pageview, another] = [newId(), newId()]
  const told = { ...person, p: pageview, n: 3 }
  await world.beacon([view('/thanks', { ...person, p: pageview }), bought('B-3', told), bought('B-3', told), view('/thanks', { ...person, p: another }), bought('B-3', { ...person, p: another, n: 1 })])
  await thanks(world, '', 500, person) // without an id each counts
  await thanks(world, '', 400, person)
  await world.aggregator.kill9()
  await world.aggregator.start()
  await world.settled({ received: 21 })
  assert.deepEqual(await figures(), [6, 11994, 6])
  const { ledger } = await world.report()
  assert.deepEqual([ledger.counted, ledger.duplicate], [20, 1], 'the hits count, each')
  assert.deepEqual((await customers(world)).customers.map(({ id, views }) => [id, views]), [[person.v, 8]])
})

scenario('a purchase is told as an event, too, and then counts with the image of the same order once', {}, async (world) => {
  const told = (properties, more = {}) => ({ s: 'shop', k: 'ev', u: ORIGIN + '/thanks', m: 'purchase?' + new URLSearchParams(properties), ...person, ...more })
  const long = '2026111100000000' // masked, all of these ids would be one
  await world.beacon([
    view('/thanks', person),
    told({ value: '19.99', currency: 'EUR', order: long + 1, coupon: 'may' }),
    told({ value: '19.99', currency: 'EUR', order: long + 2 }),
    told({ value: '1234567890', currency: 'VND', order: long + 3 }),
    told({ value: '1.2345', currency: 'KWD' }),
  ])
  const json = { site: 'shop', kind: 'event', url: ORIGIN + '/thanks', consent: true, visitor: person.v, name: 'purchase', properties: { value: 19.99, currency: 'EUR', order: long + 2 } }
  assert.equal((await world.post(JSON.stringify(json))).status, 204)
  assert.equal((await world.pixel(bought(long + 1, person))).status, 200)
  const refused = await world.beacon([told({ value: '19,99', currency: 'EUR' }), told({ value: '19.99' })])
  assert.deepEqual(JSON.parse(refused.body).refused.map(({ why, field }) => [why, field]), [['bad_number', 'value'], ['bad_query', 'currency']])
  await world.settled({ received: 9 })
  const { totals, purchases, events } = await world.report()
  assert.deepEqual(Object.fromEntries(purchases.map((one) => [one.currency, [one.count, one.revenue_minor]])), { EUR: [2, 3998], VND: [1, 1234567890], KWD: [1, 1235] })
  assert.deepEqual([totals.purchases, totals.events, events], [4, 0, []])
})

scenario('who only bought is no customer with visits', {}, async (world) => {
  const id = newId()
  for (const age of [100, 50]) await world.pixel(bought('A-1', { a: age, b: age, c: 1, v: id }))
  await world.settled({ received: 2 })
  const { totals } = await world.report()
  assert.deepEqual([totals.purchases, totals.sessions, totals.visitors], [1, 0, 0])
  const { code, err } = await customers(world)
  assert.deepEqual([code, /no consented visitors/.test(err)], [2, true], err)
})
