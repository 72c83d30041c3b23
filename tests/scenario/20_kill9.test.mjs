// kill -9 of each program in the middle of traffic: acknowledged ⊆ counted ⊆ sent, each at most once.
// Each hit has a page of its own, so that the report itself names the hits that were counted. A hit
// that was not acknowledged is sent again, as a browser does, with the same number.

import assert from 'node:assert/strict'
import { eventually } from './eventually.mjs'
import { newId, scenario, view } from './world.mjs'

const HITS = 1200
const SENDERS = 8
const SITES = { shop: { origins: 'https://shop.example', spread: 8 } }

// Sends HITS hits in beacons of 1 to 3, and calls disturb() when a third was acknowledged.
async function traffic(world, disturb) {
  const hits = Array.from({ length: HITS }, (_, i) => view(`/h/n${i}x`, { p: newId() }))
  const queue = [...hits.keys()]
  const acknowledged = new Set()
  let disturbance

  async function sender(address) {
    while (queue.length) {
      const batch = queue.splice(0, 1 + (queue.length % 3))
      try {
        const { status } = await world.beacon(batch.map((i) => hits[i]), { 'X-Forwarded-For': address })
        assert.ok(status === 204 || status === 503, `answer ${status}`)
        if (status === 204) batch.forEach((i) => acknowledged.add(i))
        else queue.unshift(...batch)
      } catch (error) {
        if (!error.code) throw error // only a broken connection is to be expected
        queue.unshift(...batch)
        await eventually('the collector is back', () => world.collector.ready())
      }
      if (!disturbance && acknowledged.size > HITS / 3) disturbance = disturb()
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, (_, i) => sender(`198.51.100.${i + 1}`)))
  await disturbance
  return acknowledged
}

async function checkAll(world, acknowledged) {
  assert.equal(acknowledged.size, HITS)
  const { received } = await world.settled({ received: HITS })
  const report = await world.report()
  const counted = new Map(report.pages.map(({ page, views, bot_views }) => [page, views + bot_views]))
  for (const i of acknowledged) assert.equal(counted.get(`shop.example/h/n${i}x`), 1, `hit ${i}`)
  assert.equal(counted.size, HITS, 'nothing that was not sent')
  assert.equal(report.totals.views, HITS)
  const { ledger } = report
  assert.equal(ledger.received, received)
  assert.equal(ledger.counted, HITS)
  assert.equal(ledger.counted + ledger.duplicate, ledger.received, 'the ledger balances')
  console.log(`# ${HITS} counted once each, ${ledger.duplicate} repeats recognised`)
}

for (const name of ['collector', 'aggregator', 'redis']) {
  scenario(`kill -9 of ${name} loses nothing and counts nothing twice`, { sites: SITES }, async (world) => {
    const acknowledged = await traffic(world, async () => {
      await world[name].kill9()
      await world[name].start()
    })
    await checkAll(world, acknowledged)
  })
}

scenario('kill -9 of all three at once', { sites: SITES }, async (world) => {
  const acknowledged = await traffic(world, async () => {
    await Promise.all(world.processes.map((one) => one.kill9()))
    await world.startAll()
  })
  await checkAll(world, acknowledged)
})

scenario('hits are taken while Redis is away, and shipped when it is back', { sites: SITES }, async (world) => {
  await world.redis.kill9()
  const acknowledged = await traffic(world, async () => {})
  await eventually('all of it waits on disk', async () => (await world.stats()).ledger.pending === HITS)
  await world.redis.start()
  await checkAll(world, acknowledged)
})
