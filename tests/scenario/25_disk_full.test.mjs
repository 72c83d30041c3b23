// The disk with the journals is full: nothing is acknowledged that is not stored, what was shipped
// makes room first, and when there is room again all goes on. The data directory is a tmpfs of a
// few megabytes; where mounting is not permitted, the test says so and is skipped.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from './eventually.mjs'
import { ORIGIN, page, scenario, view } from './world.mjs'

const MEGABYTE = 1024 * 1024
const DISK = 8 * MEGABYTE
const COLLECTOR = { journal_segment: '256k', journal_sync_ms: 10, workers: 1 }
const OPTIONS = { start: false }

const mounting = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0

// The world's data directory becomes a small disk before anything starts; Redis keeps its own.
async function onSmallDisk(world, body) {
  const disk = join(world.top, 'disk')
  mkdirSync(disk)
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'none', disk]).status, 0)
  try {
    world.options.collector.data = join(disk, 'data')
    world.writeConf()
    await world.startAll()
    world.acknowledged = []
    await body({ fill: (left) => fill(disk, left), free: () => rmSync(join(disk, 'others')), left: () => bytesLeft(disk) })
  } finally {
    await world.collector.stop()
    assert.equal(spawnSync('umount', [disk]).status, 0)
  }
}

const bytesLeft = (disk) => Number(statfsSync(disk).bavail) * Number(statfsSync(disk).bsize)

// Somebody else's file takes all but `left` bytes.
function fill(disk, left) {
  const fd = openSync(join(disk, 'others'), 'a')
  for (let more; (more = bytesLeft(disk) - left) > 0; ) {
    if (more < 4096) break
    writeSync(fd, Buffer.alloc(Math.min(more, MEGABYTE)))
  }
  closeSync(fd)
}

// Long pages fill a disk with few of them.
const LONG = '/walk'.repeat(300)
let nextHit = 0
const hitsOf = (n) => Array.from({ length: n }, () => view(`/h/n${nextHit++}x${LONG}`))

// Beacons, or pixels, until one is refused or `enough` says so. The refused one and its hits.
async function sendUntil(world, enough, { pixels = false } = {}) {
  for (;;) {
    const hits = hitsOf(pixels ? 1 : 20)
    const answer = pixels ? await world.pixel(hits[0]) : await world.beacon(hits)
    if (answer.status !== (pixels ? 200 : 204)) return { answer, hits }
    world.acknowledged.push(...hits)
    if (await enough()) return {}
  }
}

// A pixel is refused last: it may still fit where a beacon does not.
async function sendUntilFull(world) {
  const never = async () => false
  const beacon = await sendUntil(world, never)
  assert.equal(beacon.answer.status, 503)
  assert.ok(Number(beacon.answer.headers['retry-after']) >= 1)
  const pixel = await sendUntil(world, never, { pixels: true })
  assert.equal(pixel.answer.status, 503)
  assert.equal(pixel.answer.headers['content-type'], 'image/gif')
  assert.equal(pixel.answer.body.toString('latin1', 0, 3), 'GIF')
  assert.equal((await world.request({ path: '/healthz' })).status, 503)
  return [...beacon.hits, ...pixel.hits]
}

async function checkCounted(world, refused) {
  await world.settled({ received: world.acknowledged.length })
  const report = await world.report()
  const path = ({ u }) => u.slice(ORIGIN.length)
  for (const hit of world.acknowledged) assert.equal(page(report, path(hit))?.views, 1, path(hit))
  for (const hit of refused) assert.equal(page(report, path(hit)), undefined, `${path(hit)} was refused`)
  assert.equal(report.totals.views, world.acknowledged.length)
}

if (!mounting) {
  test('a full disk', { skip: 'mounting a tmpfs is not permitted here' }, () => {})
} else {
  // Redis is away, so that nothing can be made room for.
  scenario('a full disk is answered with 503, and taken up again', { ...OPTIONS, collector: { ...COLLECTOR, journal_reserve: 0 } }, async (world) => {
    await onSmallDisk(world, async (disk) => {
      await world.redis.kill9()
      disk.fill(512 * 1024)
      const refused = await sendUntilFull(world)

      // A crash while it is full: what was acknowledged is there, and nothing else.
      await world.collector.kill9()
      await world.collector.start()
      refused.push(...(await sendUntilFull(world)))

      disk.free()
      await world.redis.start()
      const again = hitsOf(3)
      await eventually('hits are taken again', async () => (await world.beacon(again)).status === 204)
      world.acknowledged.push(...again)
      assert.equal((await world.request({ path: '/healthz' })).status, 200)
      await checkCounted(world, refused)
    })
  })

  scenario('kept segments make room before a hit is refused, and are counted', { ...OPTIONS, collector: { ...COLLECTOR, journal_reserve: '1M' } }, async (world) => {
    await onSmallDisk(world, async (disk) => {
      const shipper = async () => (await world.stats()).shipper
      const third = async () => (await shipper()).segment_bytes > DISK / 3
      assert.equal((await sendUntil(world, third)).answer, undefined, 'there was room')
      await world.settled({ received: world.acknowledged.length })
      assert.equal((await shipper()).forced_out, 0)
      disk.fill(1.5 * MEGABYTE)
      await eventually('kept segments go', async () => (await shipper()).forced_out > 0)
      // Room is made twice a second; hits that come faster than that are rightly refused.
      const many = async () => {
        await eventually('there is room again', () => disk.left() > 1.5 * MEGABYTE)
        return (await shipper()).forced_out > 8
      }
      assert.equal((await sendUntil(world, many)).answer, undefined, 'no hit was refused')
      await checkCounted(world, [])
    })
  })
}
