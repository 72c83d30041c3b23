// Who has not come for 13 months is no person any more, for readers at once and for Redis when the
// sweep has been there; who comes again begins anew, whether it has or not. Event time alone decides:
// the hits of long ago come out of a journal that is written here.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { redisCalls } from './redis.mjs'
import { newId, ORIGIN, program, scenario, view } from './world.mjs'

const PARTITIONS = 64
const SHOP = 41 // partition of the site, as hash64 has it
const DAY_MS = 24 * 3600 * 1000
const KEPT_DAYS = 13 * 31

// ---- a journal of long ago

const crcTable = Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
  return n >>> 0
})
const crc32 = (...parts) => (parts.reduce((crc, bytes) => bytes.reduce((c, byte) => crcTable[(c ^ byte) & 255] ^ (c >>> 8), crc), -1) ^ -1) >>> 0

const varint = (n) => (n < 128n ? [Number(n)] : [Number(n & 127n) | 128, ...varint(n >> 7n)])
const number = (id, n) => [...varint(BigInt(id << 2)), ...varint(BigInt(n))]
const text = (id, s) => [...varint(BigInt((id << 2) | 2)), ...varint(BigInt(s.length)), ...Buffer.from(s)]
const fixed = (id, n) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(n)
  return [...varint(BigInt((id << 2) | 1)), ...bytes]
}
const idNumber = (id) => [...id].reduce((n, c) => n * 36n + BigInt(parseInt(c, 36)), 0n)

const hit = ({ visitor, at, path, customer }) =>
  Buffer.from([
    1, ...number(1, 1), ...text(2, 'shop'), ...number(3, at), ...number(4, Math.floor(at / DAY_MS)), ...fixed(5, idNumber(visitor)),
    ...number(6, 2), ...fixed(7, randomBytes(8).readBigUInt64LE()), ...text(9, 'shop.example' + path),
    ...(customer ? text(27, customer) : []),
  ])

function record(payload, seq) {
  const head = Buffer.alloc(32)
  head.write('SNTR')
  head.writeUInt32LE(payload.length, 4)
  head.writeUInt32LE(1, 12)
  head.writeBigUInt64LE(BigInt(seq), 16)
  head.writeUInt16LE(SHOP, 24)
  head.writeUInt32LE(crc32(head.subarray(0, 8), head.subarray(12), payload), 8)
  return Buffer.concat([head, payload])
}

function writeJournal(world, hits) {
  const dir = join(world.data, 'journal')
  const producer = randomBytes(16)
  const head = Buffer.alloc(64 + 8 * PARTITIONS)
  head.write('SNTRSEG1')
  producer.copy(head, 8)
  head.writeBigUInt64LE(1n, 24)
  head.writeBigUInt64LE(BigInt(Date.now()), 32)
  head.writeUInt32LE(PARTITIONS, 48)
  head.writeUInt32LE(head.length, 56)
  head.writeUInt32LE(crc32(head.subarray(0, 60), head.subarray(64)), 60)
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, '.old'), Buffer.concat([head, ...hits.map((one, i) => record(hit(one), i + 1))]))
  renameSync(join(dir, '.old'), join(dir, `${producer.toString('hex')}-${'1'.padStart(16, '0')}.seg`))
}

// ---- what there is

async function people(world) {
  const { code, out, err } = await run(program('sentier-report'), ['customers', '--site', 'shop', '--limit', '0', '--format', 'json', '--conf', world.conf])
  assert.equal(code, 0, err)
  const list = JSON.parse(out)
  return (list.customers ?? list).map((one) => one.id).sort()
}

async function profile(world, id) {
  const { code, out } = await run(program('sentier-report'), ['profile', id, '--site', 'shop', '--format', 'json', '--conf', world.conf])
  return code === 0 ? JSON.parse(out) : null
}

async function kept(world) {
  const buckets = await world.redisCall('KEYS', '{p*}:profiles:shop:*')
  const sizes = await redisCalls(world.socket, buckets.map((key) => ['HLEN', key]))
  return sizes.reduce((a, b) => a + b, 0)
}

const expired = async (world) => (await world.stats(world.aggregatorAdmin)).expired

scenario('a profile ends when nobody comes for 13 months', {}, async (world) => {
  const now = Date.now()
  const group = (n, days) => Array.from({ length: n }, () => ({ visitor: newId(), at: now - Math.round(days * DAY_MS) }))
  const [swept, over, there] = [group(20, KEPT_DAYS + 4), group(6, KEPT_DAYS + 1.5), group(5, KEPT_DAYS - 1)]
  const all = [...swept, ...over, ...there]
  writeJournal(world, all.flatMap(({ visitor, at }, i) => [{ visitor, at: at + i, path: '/a' }, { visitor, at: at + i + 60_000, path: '/b' }]).sort((a, b) => a.at - b.at))
  let received = 2 * all.length
  await world.settled({ received })
  const ids = (list) => list.map((one) => one.visitor).sort()
  assert.deepEqual(await people(world), ids(all), 'by the time of the hits nobody is gone')
  assert.equal(await kept(world), 31)
  assert.equal((await profile(world, over[0].visitor)).views, 2)

  // Somebody comes today, and 13 months have passed.
  const today = newId()
  const comes = async (visitor) => {
    assert.equal((await world.beacon([view('/c', { c: 1, v: visitor })])).status, 204)
    await world.settled({ received: ++received })
  }
  await comes(today)
  assert.equal((await world.redisCall('HEXISTS', `{p${SHOP}}:sites`, 'shop')), 1)
  assert.deepEqual(await people(world), [...ids(there), today].sort())
  assert.equal(await profile(world, over[0].visitor), null)
  assert.notEqual(await profile(world, there[0].visitor), null)
  const before = await world.report()

  // Not swept yet or never to be: who comes again has no history.
  await comes(over[0].visitor)
  const back = await profile(world, over[0].visitor)
  assert.deepEqual([back.views, back.sessions, back.days], [1, 1, 1])
  assert.ok(back.first_seen_ms > now - DAY_MS)
  await comes(there[0].visitor)
  assert.equal((await profile(world, there[0].visitor)).views, 3)
  await comes(swept[0].visitor)
  assert.equal((await profile(world, swept[0].visitor)).views, 1)

  // The sweep takes those with whom no hit that may still come makes a difference.
  // A slow machine gets there before the restart, even before one of the 20 comes again.
  const early = await expired(world)
  await world.aggregator.stop()
  await world.aggregator.start()
  await eventually('the sweep was here', async () => early + (await expired(world)) >= 19 && (await kept(world)) === 31 + 1 - 19)
  assert.ok(early + (await expired(world)) <= 20)
  assert.equal((await profile(world, swept[0].visitor)).views, 1)
  await comes(swept[1].visitor)
  assert.equal((await profile(world, swept[1].visitor)).views, 1)
  assert.deepEqual(await people(world), [...ids(there), today, over[0].visitor, swept[0].visitor, swept[1].visitor].sort())
  const after = await world.report()
  assert.equal(after.totals.views, before.totals.views + 4, 'what was counted stays')

  // A longer time brings those back that are still there.
  world.options.aggregator.profiles_kept = 14
  world.writeConf()
  assert.equal((await people(world)).length, 5 + 1 + 1 + 2 + 5)
})

// What names a customer is kept as long as what it did.
scenario('the records of customers go with their profiles', {}, async (world) => {
  const now = Date.now()
  const old = now - (KEPT_DAYS + 4) * DAY_MS
  const [anna, both, dora, later] = [newId(), newId(), newId(), newId()]
  const long = 'b'.repeat(128)
  writeJournal(world, [
    { visitor: anna, at: old, path: '/a', customer: 'anna' },
    { visitor: both, at: old + 1, path: '/a', customer: 'anna' },
    { visitor: both, at: old + 2, path: '/b', customer: long },
    { visitor: dora, at: old + 3, path: '/a', customer: 'dora' },
    { visitor: later, at: now - DAY_MS, path: '/c', customer: long },
    { visitor: later, at: now - DAY_MS + 1, path: '/d', customer: 'carla' },
  ])
  await world.settled({ received: 6 })
  assert.equal((await world.beacon([view('/c', { c: 1, v: dora })])).status, 204)
  await world.settled({ received: 7 })
  const records = () => world.redisCall('HLEN', `{p${SHOP}}:customers:shop`)
  const gone = async () => [await profile(world, 'anna'), await profile(world, 'dora')]
  assert.equal(await records(), 4)
  assert.deepEqual(await gone(), [null, null], 'who comes back and does not sign in is nobody')
  assert.deepEqual([(await profile(world, long)).views, (await profile(world, 'carla')).views], [1, 1])
  const early = await expired(world)
  await world.aggregator.stop()
  await world.aggregator.start()
  await eventually('the sweep was here', async () => early + (await expired(world)) === 2)
  assert.equal(await records(), 3, 'of anna nothing is left')
  assert.deepEqual(await gone(), [null, null])
  const longs = await profile(world, long)
  assert.deepEqual([longs.visitors.length, longs.views, (await profile(world, 'carla')).views], [1, 1, 1])
})

scenario('nothing is swept while others hold the lease, or a site is young', {}, async (world) => {
  const now = Date.now()
  writeJournal(world, [{ visitor: newId(), at: now - (KEPT_DAYS + 4) * DAY_MS, path: '/a' }])
  await world.settled({ received: 1 })
  assert.equal((await world.beacon([view('/c', { c: 1, v: newId() })])).status, 204)
  await world.settled({ received: 2 })
  await world.aggregator.stop()
  await world.redisCall('SET', `{p${SHOP}}:lease`, 'f'.repeat(32) + ' other', 'PX', '600000')
  await world.redisCall('ZADD', 'sentier:aggregators', String(Date.now() + 600_000), 'other')
  const ready = world.aggregator.start()
  await ready
  await eventually('the others are folded', async () => (await world.stats(world.aggregatorAdmin)).partitions_held >= 32)
  assert.equal(await kept(world), 2)
  assert.equal(await expired(world), 0)
  await redisCalls(world.socket, [['DEL', `{p${SHOP}}:lease`], ['ZREM', 'sentier:aggregators', 'other']])
  await world.aggregator.stop()
  await world.aggregator.start()
  await eventually('now it is ours', async () => (await expired(world)) === 1)
  assert.equal(await kept(world), 1)
})
