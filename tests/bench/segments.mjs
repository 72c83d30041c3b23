// What does it take to go over all persons of a site? Persons come through the real programs, each
// with pages of its own choice in three sessions on three days. Then the commands that read all
// profiles are timed, with the most memory they ever held; and the aggregator starts anew and makes
// the document in the background, in which it must not take more than its share of a core.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { program } from '../scenario/world.mjs'
import { ORIGIN, World, cpuSeconds, eventually, newId, options } from './bench.mjs'

const HELP = `tests/bench/segments [--persons 100000] [--pages 10] [--catalogue 500] [--spread 1]
  --pages      that each person opens, out of a catalogue of so many
  --spread     of the site: partitions that its visitors are in
$SENTIER_BUILD names the build, build/release by default.`
const given = options({ persons: 100_000, pages: 10, catalogue: 500, spread: 1 }, HELP)

const HOUR = 3600_000
const AT_ONCE = 8
const BODY_HITS = 1000
const SITE = 'shop'
const SHARE = 0.1 // of a core, in the background
const SECTIONS = ['', 'blog/', 'docs/', 'shop/', 'help/', 'jobs/', 'press/', 'club/']

const pageOf = (n) => encodeURIComponent(`${ORIGIN}/${SECTIONS[n % SECTIONS.length]}${n}`)

function hitsOf(person) {
  const v = newId()
  return Array.from({ length: given.pages }, (_, i) => {
    const ago = (60 - 24 * (i % (1 + person % 3))) * HOUR - i * 60_000
    const page = pageOf((person * 31 + i * i * 7 + i) % given.catalogue)
    return `s=${SITE}&k=pv&u=${page}&p=${newId()}&c=1&v=${v}&n=0&a=${ago}&b=${ago}&e=${2000 + 3000 * ((person + i) % 5)}`
  })
}

async function sendAll(world) {
  let person = 0
  const one = async () => {
    while (person < given.persons) {
      const hits = []
      while (person < given.persons && hits.length < BODY_HITS) hits.push(...hitsOf(person++))
      const { status } = await world.post(hits.join('\n'))
      if (status !== 204) throw new Error(`a beacon was answered with ${status}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  await world.settled({ received: given.persons * given.pages, withinMs: 3600_000 })
}

// Kilobytes; of a process that has ended: 0.
function memoryOf(pid, what) {
  try {
    return Number(new RegExp(`^${what}:\\s*(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

const megabytes = (kilobytes) => (kilobytes / 1024).toFixed(1)

async function timeCommand(world, args) {
  const redis = cpuSeconds(world.redis.child.pid)
  const start = process.hrtime.bigint()
  const child = spawn(program('sentier-report'), [...args, '--conf', world.conf, '--site', SITE], { stdio: ['ignore', 'ignore', 'inherit'] })
  let peak = 0
  const watch = setInterval(() => (peak = Math.max(peak, memoryOf(child.pid, 'VmHWM'))), 5)
  const [code] = await once(child, 'close')
  clearInterval(watch)
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`)
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const ofRedis = cpuSeconds(world.redis.child.pid) - redis
  console.log(`${args.join(' ').padEnd(30)} ${seconds.toFixed(2)} s (Redis ${ofRedis.toFixed(2)} s of it), at most ${megabytes(peak)} MiB`)
}

// A restart forgets that the day's document is made.
async function timeDocument(world) {
  await world.aggregator.stop()
  await world.redisCall('DEL', `sentier:v1:segments:${SITE}`)
  await world.aggregator.start()
  const { pid } = world.aggregator.child
  const [redis, before, memory] = [cpuSeconds(world.redis.child.pid), cpuSeconds(pid), memoryOf(pid, 'VmRSS')]
  const start = process.hrtime.bigint()
  const document = await eventually('the document is there', async () => {
    const found = await world.document('segments', SITE)
    if (!found) throw new Error('not yet')
    return found
  }, 3600_000)
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const cpu = cpuSeconds(pid) - before + cpuSeconds(world.redis.child.pid) - redis
  if (document.persons !== given.persons) throw new Error(`${document.persons} persons in the document`)
  console.log(`the document took ${cpu.toFixed(2)} s of processors, Redis' included, in ${seconds.toFixed(1)} s: ${(cpu / seconds).toFixed(2)} of a core ` +
    `(aim: ${SHARE}); the aggregator grew by ${megabytes(memoryOf(pid, 'VmHWM') - memory)} MiB`)
  return cpu / seconds
}

const world = await World.lay({
  sites: { [SITE]: { origins: ORIGIN, spread: given.spread } },
  collector: { beacon_max_hits: BODY_HITS + given.pages, body_max: '1M' },
  aggregator: { summary_ms: 60_000 },
})
world.redis.args.push('--hash-max-listpack-value', '512') // as sentier up has it
try {
  await world.startAll()
  await sendAll(world)
  console.log(`${given.persons.toLocaleString('en')} persons with ${given.pages} pages`)
  for (const args of [['report', 'segments'], ['report', 'ignorers', '--page', 'shop.example/0'], ['customers'], ['customers', '--limit', '0']])
    await timeCommand(world, args)
  const share = await timeDocument(world)
  if (share > SHARE * 1.5) process.exitCode = 1
} finally {
  await world.end()
}
