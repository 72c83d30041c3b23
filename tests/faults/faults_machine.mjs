// Faults of a whole machine: its power, and its clock. Their form: faults_process.mjs.

import { existsSync, linkSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { Clock } from './clock.mjs'
import { damage, segments } from './journal.mjs'
import { Disk } from './disk.mjs'
import { mayTrace, readCalls, traceFromNextStart } from './syscalls.mjs'

const PARTITIONS = 64
const MOVED_WITHIN_MS = 10_000 // beside the lease itself: 1.2 s here
const PAGE_BYTES = 4096
const STRING_BYTES = 1 << 16
const LINK_EVERY_MS = 20
const DISK_CALLS = 'openat,pwrite64,write,fdatasync,fsync,ftruncate,rename,renameat,renameat2,unlink,unlinkat'

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Second names of all segments, so that one that was deleted can come back.
class Attic {
  constructor(data, dir) {
    Object.assign(this, { data, dir: join(dir, 'journal') })
    mkdirSync(this.dir, { recursive: true })
    this.timer = setInterval(() => this.look(), LINK_EVERY_MS)
  }

  look() {
    for (const file of segments(this.data)) {
      const link = join(this.dir, basename(file))
      try {
        if (!existsSync(link)) linkSync(file, link)
      } catch (error) {
        if (error.code !== 'ENOENT') throw error // it has just been deleted
      }
    }
  }

  end() {
    clearInterval(this.timer)
  }
}

// Bytes that no sync covered: some of them, and of those some pages never arrived.
function tear(bytes, synced, random) {
  const torn = bytes.subarray(0, random.int(synced, bytes.length))
  if (random.chance(0.3)) {
    const from = Math.max(synced, PAGE_BYTES * Math.floor(random.int(synced, torn.length) / PAGE_BYTES))
    torn.fill(0, Math.min(from, torn.length), Math.min(from + PAGE_BYTES, torn.length))
  }
  return torn
}

// Makes the directory one that the power loss may have left; the hits that are gone.
function losePower(disk, attic, random) {
  const lost = []
  disk.settle(disk.sure + random.int(0, disk.unsure.length))
  for (const [name, { synced, named }] of disk.files) {
    const path = join(disk.directory, name)
    if (!existsSync(path)) continue
    const change = (bytes) => (named ? tear(bytes, Math.min(synced, bytes.length), random) : bytes.subarray(0, 0))
    if (name.endsWith('.seg')) lost.push(...damage(path, change).lost)
    if (!named) rmSync(path)
  }
  for (const name of disk.unlinked) {
    if (existsSync(join(attic.dir, name))) linkSync(join(attic.dir, name), join(disk.directory, name))
  }
  for (const [name, [content]] of disk.versions) {
    if (content === undefined) rmSync(join(disk.directory, name), { force: true })
    else writeFileSync(join(disk.directory, name), content, 'latin1')
  }
  return lost
}

// The small files that are replaced as a whole.
function textsOf(directory) {
  const files = readdirSync(directory, { withFileTypes: true }).filter((one) => one.isFile() && !one.name.endsWith('.seg'))
  return Object.fromEntries(files.map(({ name }) => [name, readFileSync(join(directory, name), 'latin1')]))
}

function keepShipped(stack, seconds) {
  stack.world.options.collector.journal_keep = seconds
  stack.world.writeConf()
}

// What this round's machine is like: Redis on another one, or on the same one and away, or on the
// same one and losing its own tail.
async function powerLoss(round, promised) {
  const { stack, random, damaged, notes, allowed } = round
  const [collector] = stack.collectors
  if (!mayTrace()) throw new Error('strace may not trace here: what was synced cannot be known')
  const redis = random.pick(['elsewhere', 'away', 'too'])
  if (redis === 'too') await stack.born()
  const attic = new Attic(collector.data, join(stack.top, 'attic'))
  stack.old.push(join(stack.top, 'attic'))
  const trace = join(stack.top, 'power.strace')
  const directory = join(collector.data, 'journal')
  const untrace = traceFromNextStart(collector, trace, DISK_CALLS, STRING_BYTES)
  try {
    await stack.stop(collector)
    const texts = textsOf(directory)
    keepShipped(stack, redis === 'elsewhere' && random.chance(0.5) ? 0 : 3600)
    await stack.revive(collector)
    if (redis === 'away') await stack.redis.kill9()
    await round.traffic.until(round.traffic.acknowledged + random.int(60, 300))
    await pause(random.int(0, 700))
    await Promise.all([collector.kill9(), redis === 'too' && stack.redis.kill9()])
    untrace()
    attic.end()
    const lost = losePower(new Disk(directory, await readCalls(trace), texts), attic, random)
    if (!promised) lost.forEach((hit) => damaged.push(hit))
    if (!promised) allowed.whole = false
    notes.push(`Redis ${redis}`, `${lost.length} records not on the disk`)
    if (redis === 'too') notes.push(`${await stack.loseTail(1000, (from, to) => random.int(from, to))} bytes forgotten`)
  } finally {
    untrace()
    attic.end()
  }
  keepShipped(stack, 3600)
  await stack.revive(stack.redis)
  await stack.revive(collector)
}

// ---- the clock

const HOUR_S = 3600

// Who lives must fold what the dead one held, whatever became of Redis' clock meanwhile. A lease
// is a token and the name of its holder.
async function mustMove({ stack, problems }, dead) {
  const leases = () => stack.calls(Array.from({ length: PARTITIONS }, (_, n) => ['GET', `{p${n}}:lease`]))
  await dead.kill9()
  try {
    await eventually('its partitions have moved', async () => (await leases()).every((lease) => lease && !lease.endsWith(` ${stack.world.options.aggregator.name}`)), MOVED_WITHIN_MS)
  } catch (error) {
    problems.push(`leases of a dead aggregator: ${error.message}`)
  }
  await stack.revive(dead)
}

async function stepClocks(round) {
  const { stack, random, notes } = round
  const attic = new Attic(stack.collectors[0].data, join(stack.top, 'attic')) // a step makes segments old
  stack.old.push(join(stack.top, 'attic'))
  const parts = [stack.redis, ...stack.collectors, ...stack.aggregators]
  const clocks = parts.map((one, n) => new Clock(one, stack.top, n))
  for (const one of parts) await stack.stop(one)
  for (const one of parts) await stack.revive(one)
  for (let n = random.int(2, 4); n > 0; n--) {
    await round.traffic.until(round.traffic.acknowledged + random.int(10, 80))
    const together = random.chance(0.4)
    const by = random.pick([-HOUR_S, HOUR_S])
    const stepped = random.some(clocks, together ? clocks.length : random.int(1, 2))
    for (const clock of stepped) clock.set(together || random.chance(0.5) ? by : 0)
    notes.push(`${stepped.map(({ one }) => one.name).join('+')} ${by / HOUR_S} h`)
    const dies = random.pick([undefined, stack.collectors[0], stack.aggregators[0], stack.redis])
    if (dies === stack.aggregators[0]) {
      await mustMove(round, dies)
    } else if (dies) {
      await dies.kill9()
      await stack.revive(dies)
    }
    await pause(random.int(200, 1500))
  }
  if (random.chance(0.7)) for (const clock of clocks) clock.set(0)
  attic.look()
  attic.end()
}

export const machineFaults = {
  // By an hour, of some or of all.
  'clock-step': {
    holds: ['collector', 'redis', 'aggregator', 'import'],
    alone: true,
    plan: { aggregators: 2, aggregator: { lease_ms: 1200 } },
    run: stepClocks,
  },

  // Each hit is synced before it is answered.
  'power-loss': {
    holds: ['collector', 'redis', 'aggregator'],
    alone: true,
    plan: { collector: { journal_sync_ms: 0, journal_segment: '64k' } },
    run: (round) => powerLoss(round, true),
  },

  // Synced at most so much later: that much may be lost, and no more.
  'power-loss-lazy': {
    holds: ['collector', 'redis', 'aggregator'],
    alone: true,
    plan: { collector: { journal_sync_ms: 1000, journal_segment: '64k' } },
    run: (round) => powerLoss(round, false),
  },
}
