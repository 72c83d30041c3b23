// Aggregators share the partitions: a joiner takes its part, a clean stop hands over at once, and what
// a killed one held folds elsewhere when its leases have ended.

import assert from 'node:assert/strict'
import { eventually } from './eventually.mjs'
import { newId, scenario, view } from './world.mjs'

const PARTITIONS = 64
const SPREAD = 64 // hits of one site go to all partitions
const SITES = { shop: { origins: 'https://shop.example', spread: SPREAD } }

const partitions = (world, one) => world.stats(one.admin).then((stats) => stats.partitions_held).catch(() => 0)
const holds = (world, one, n) => eventually(`${one.name} holds ${n}`, async () => (await partitions(world, one)) === n)

let sent = 0
async function send(world, n) {
  const hits = Array.from({ length: n }, () => view(`/h/n${sent++}x`, { p: newId() }))
  for (let i = 0; i < n; i += 20) assert.equal((await world.beacon(hits.slice(i, i + 20), { 'X-Forwarded-For': `198.51.100.${i % 250}` })).status, 204)
}

scenario('what a killed aggregator held folds elsewhere', { sites: SITES }, async (world) => {
  const first = Object.assign(world.aggregator, { admin: world.aggregatorAdmin })
  await holds(world, first, PARTITIONS)
  const second = await world.aggregatorBeside('second')
  await second.start()
  await Promise.all([holds(world, first, PARTITIONS / 2), holds(world, second, PARTITIONS / 2)])
  await send(world, 200)
  await world.settled({ received: 200 })

  await second.kill9()
  const killed = performance.now()
  await send(world, 400)
  await holds(world, first, PARTITIONS)
  const held = (performance.now() - killed) / 1000
  await world.settled({ received: 600 })
  console.log(`# all partitions of the killed one taken over in ${held.toFixed(1)} s, its hits folded in ${((performance.now() - killed) / 1000).toFixed(1)} s`)
  assert.equal((await world.report()).totals.views, 600)
})

scenario('a clean stop hands over without waiting for an expiry', { sites: SITES, aggregator: { lease_ms: 600_000 } }, async (world) => {
  const first = Object.assign(world.aggregator, { admin: world.aggregatorAdmin })
  await holds(world, first, PARTITIONS)
  const second = await world.aggregatorBeside('second')
  await first.stop()
  await second.start()
  await holds(world, second, PARTITIONS) // a lease that was left would last ten minutes
  await send(world, 100)
  await world.settled({ received: 100 })
})

// A standby that took over, or a file that was cut, knows an older token of the same aggregator.
scenario('an aggregator takes up leases of its own that Redis remembers wrongly', { sites: SITES, aggregator: { lease_ms: 600_000 } }, async (world) => {
  const first = Object.assign(world.aggregator, { admin: world.aggregatorAdmin })
  await holds(world, first, PARTITIONS)
  const name = (await world.redisCall('GET', '{p7}:lease')).slice(33)
  for (let n = 0; n < PARTITIONS; n++) await world.redisCall('SET', `{p${n}}:lease`, `${'0'.repeat(32)} ${name}`, 'PX', '600000')
  await world.redis.kill9()
  await world.redis.start()
  await eventually('all leases are its own', async () => {
    for (let n = 0; n < PARTITIONS; n++) if ((await world.redisCall('GET', `{p${n}}:lease`)).startsWith('0'.repeat(32))) return false
    return true
  })
  await holds(world, first, PARTITIONS)
  await send(world, 100)
  await world.settled({ received: 100 })
})

scenario('an emptied Redis is told its data set by an aggregator alone', {}, async (world) => {
  await holds(world, Object.assign(world.aggregator, { admin: world.aggregatorAdmin }), PARTITIONS)
  await world.collector.stop()
  const before = await world.redisCall('HGET', 'sentier:dataset', 'partitions')
  await world.redisCall('FLUSHALL')
  await world.redis.kill9()
  await world.redis.start()
  await eventually('the data set is there', async () => (await world.redisCall('HGET', 'sentier:dataset', 'partitions')) === before)
})
