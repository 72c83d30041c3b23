// The archive: what has been shipped goes there before the journal lets it go; while that cannot
// be, the journal keeps it. Journal and archive together hold every hit once.

import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { program, scenario, view } from './world.mjs'

const HITS = 3000
const KEEP_NOTHING = { workers: 1, journal_keep: 0, journal_segment: '64k' }

const inside = (dir, ending) => readdirSync(dir).filter((name) => name.endsWith(ending)).map((name) => join(dir, name))
const segments = (world) => inside(join(world.data, 'journal'), '.seg')

async function send(world, from) {
  for (let i = from; i < from + HITS; i += 50) {
    const lines = Array.from({ length: 50 }, (_, k) => view(`/n${i + k}x`))
    assert.equal((await world.beacon(lines)).status, 204)
  }
}

async function pagesIn(files) {
  const { code, out, err } = await run(program('sentier-journal'), ['dump', ...files])
  assert.equal(code, 0, err)
  return out.trim().split('\n').map((line) => JSON.parse(line)).filter((line) => line.kind === 'pageview').map((line) => line.page)
}

async function startWith(world, more) {
  Object.assign(world.options.collector, more)
  world.writeConf()
  await world.startAll()
}

scenario('what the journal lets go is in the archive', { start: false, collector: KEEP_NOTHING }, async (world) => {
  const archive = join(world.top, 'archive')
  await startWith(world, { archive })
  await send(world, 0)
  await world.settled({ received: HITS })
  await eventually('only the segment that grows is left', () => segments(world).length === 1)
  const stats = await world.stats()
  assert.ok(stats.shipper.archive_failed === 0)
  assert.deepEqual(await world.collector.stop(), [0, null])
  const packed = inside(archive, '.seg.gz')
  assert.ok(packed.length > 2, `${packed.length} segments`)
  const pages = await pagesIn([...packed, ...segments(world)])
  assert.equal(pages.length, HITS)
  assert.equal(new Set(pages).size, HITS, 'every hit once')
})

scenario('a segment that cannot be archived stays', { start: false, collector: KEEP_NOTHING }, async (world) => {
  const archive = join(world.top, 'archive')
  await startWith(world, { archive })
  rmSync(archive, { recursive: true }) // its file system is gone
  await send(world, 0)
  await world.settled({ received: HITS })
  await eventually('it is counted', async () => (await world.stats()).shipper.archive_failed > 0)
  assert.ok(segments(world).length > 2)
  assert.equal(new Set(await pagesIn(segments(world))).size, HITS, 'nothing has left the journal')
  assert.deepEqual(await world.collector.stop(), [0, null])
  await world.collector.start() // the directory is made again
  await eventually('the journal is empty', () => segments(world).length === 0)
  assert.equal(new Set(await pagesIn(inside(archive, '.seg.gz'))).size, HITS)
})

scenario('killed in the middle, nothing is lost and nothing is half', { start: false, collector: KEEP_NOTHING }, async (world) => {
  const archive = join(world.top, 'archive')
  await startWith(world, { archive })
  for (let round = 0; round < 3; round++) {
    await send(world, round * HITS)
    await eventually('archiving is under way', () => inside(archive, '.seg.gz').length > round)
    await world.collector.kill9()
    await world.collector.start()
  }
  await world.settled({ received: 3 * HITS })
  await eventually('all closed segments are archived', () => segments(world).length === 0)
  const pages = await pagesIn(inside(archive, '.seg.gz'))
  assert.deepEqual([pages.length, new Set(pages).size], [3 * HITS, 3 * HITS])
})

scenario('the archive has a bound', { start: false, collector: KEEP_NOTHING }, async (world) => {
  const archive = join(world.top, 'archive')
  await startWith(world, { archive, archive_max: '40k' })
  await send(world, 0)
  await world.settled({ received: HITS })
  const { shipper } = await eventually('only the segment that grows is left', async () => segments(world).length === 1 && world.stats())
  assert.ok(shipper.archive_pruned > 0 && shipper.archive_bytes <= 40 * 1024, JSON.stringify(shipper))
})
