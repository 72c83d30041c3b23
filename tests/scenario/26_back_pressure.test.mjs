// Where something stops, hits wait on disk: the streams keep their limit, the collector's memory stays
// flat, and all catches up without help. Full disks: 25_disk_full.

import assert from 'node:assert/strict'
import { readFileSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { program, scenario, view } from './world.mjs'

const MEGABYTE = 1024 * 1024
const PARTITIONS = 64
const LONG = '/walk'.repeat(300) // few hits make many bytes

let sent = 0
async function send(world, n) {
  for (const end = sent + n; sent < end; ) {
    const hits = Array.from({ length: Math.min(20, end - sent) }, () => view(`/h/n${sent++}x${LONG}`))
    assert.equal((await world.beacon(hits)).status, 204)
  }
  return n
}

const shipper = async (world) => (await world.stats()).shipper
const status = (world) => run(program('sentier-report'), ['status', '--conf', world.conf, '--redis', `unix:${world.socket}`])

async function streamBytes(world) {
  const bytes = await Promise.all(Array.from({ length: PARTITIONS }, (_, n) => world.redisCall('HGET', `{p${n}}:meta`, 'bytes')))
  return Math.max(...bytes.map(Number))
}

scenario('without an aggregator the streams keep their limit, and the rest waits on disk', { collector: { stream_max: '1M', workers: 1 } }, async (world) => {
  await world.aggregator.kill9()
  const hits = await send(world, 3000) // 5 MB for one partition
  await eventually('the stream is full', async () => (await shipper(world)).full === 1)
  const { ledger } = await eventually('what does not fit waits', async () => {
    const all = await world.stats()
    return all.ledger.received === hits && all.ledger.pending > hits / 2 ? all : undefined
  })
  const most = MEGABYTE + MEGABYTE // the limit, and the batch that reached it
  assert.ok((await streamBytes(world)) <= most, `${await streamBytes(world)} bytes in a stream`)
  assert.ok(ledger.shipped > 0)
  assert.match((await status(world)).out, /a stream is full/)

  await world.aggregator.start()
  await world.settled({ received: hits })
  assert.equal((await shipper(world)).full, 0)
  assert.equal((await world.report()).totals.views, hits)
})

// Resident memory in bytes.
const resident = (one) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${one.child.pid}/status`, 'utf8'))[1]) * 1024

scenario('without Redis the collector takes everything, and its memory stays flat', { collector: { workers: 1 } }, async (world) => {
  await world.redis.kill9()
  await send(world, 2000) // whatever it needs for once
  const before = resident(world.collector)
  const hits = 2000 + (await send(world, 38_000))
  const grown = resident(world.collector) - before
  const { segment_bytes: stored } = await eventually('all of it waits', async () => {
    const all = await world.stats()
    return all.ledger.pending === hits ? all.shipper : undefined
  })
  console.log(`# ${(stored / MEGABYTE).toFixed(0)} MB in the journal, ${(grown / MEGABYTE).toFixed(1)} MB more in memory`)
  assert.ok(stored > 40 * MEGABYTE, `${stored} bytes stored`)
  assert.ok(grown < stored / 4, `${grown} bytes more for ${stored} stored`)
  await world.redis.start()
  await world.settled({ received: hits, withinMs: 120_000 })
})

// Kept segments are wanted back when less than twice the reserve is free; hits are refused below it.
scenario('kept segments that the disk wants back turn the status amber', { start: false }, async (world) => {
  const { bavail, bsize } = statfsSync(tmpdir())
  Object.assign(world.options.collector, { journal_segment: '64k', workers: 1, journal_reserve: Math.floor(bavail * bsize * 0.6) })
  world.writeConf()
  await world.startAll()
  const hits = await send(world, 200)
  await world.settled({ received: hits })
  await eventually('they go', async () => (await shipper(world)).forced_out > 0)
  const { code, out } = await status(world)
  assert.equal(code, 0, out)
  assert.match(out, /\d shipped segments were deleted early for want of disk/)
  assert.match(out, /BALANCED/)
  const coloured = await run('script', ['-qec', `${program('sentier-report')} status --conf ${world.conf} --redis unix:${world.socket}`, '/dev/null'])
  assert.match(coloured.out, /\x1b\[33m[^\n]*deleted early/)
  assert.equal((await world.report()).totals.views, hits)
})
