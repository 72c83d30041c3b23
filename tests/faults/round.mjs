// One round: a new stack, traffic, faults at random moments, then the comparison. The same seed
// chooses the same faults and the same traffic; what they meet is up to the machine.

import { checkBooks } from './books.mjs'
import { compare } from './compare.mjs'
import { diskFaults } from './faults_disk.mjs'
import { clusterFaults, failoverFaults, sentinelFaults } from './faults_failover.mjs'
import { machineFaults } from './faults_machine.mjs'
import { processFaults } from './faults_process.mjs'
import { redisFaults } from './faults_redis.mjs'
import { splitFaults } from './faults_split.mjs'
import { Importing } from './importing.mjs'
import { Random } from './random.mjs'
import { Standalone } from './stack.mjs'
import { Cluster } from './stack_cluster.mjs'
import { Sentinel } from './stack_sentinel.mjs'
import { Traffic } from './traffic.mjs'

export const faults = { ...processFaults, ...redisFaults, ...diskFaults, ...machineFaults, ...splitFaults, ...failoverFaults, ...sentinelFaults, ...clusterFaults }

export const stacks = { standalone: Standalone, sentinel: Sentinel, cluster: Cluster }

const everywhere = { ...processFaults, ...diskFaults }
const own = { standalone: { ...redisFaults, ...machineFaults, ...splitFaults }, sentinel: { ...failoverFaults, ...sentinelFaults }, cluster: { ...failoverFaults, ...clusterFaults } }

// Names of the faults that this kind of Redis can have.
export const faultsOf = (redis) => Object.keys({ ...everywhere, ...own[redis] }).filter((name) => redis === 'standalone' || !faults[name].standalone)

const HITS_MIN = 400
const STARTS_WITHIN_MS = 3000

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// First the one whose turn it is, and up to three others that go with it.
export function choose(pool, turn, random) {
  const first = pool[turn % pool.length]
  if (faults[first].alone) return [first]
  const chosen = [first]
  for (const name of random.some(pool, random.int(0, 3))) {
    const all = [...chosen, name].map((one) => faults[one])
    const clash = all.some(({ forgets }) => forgets) && all.some(({ forces }) => forces)
    if (!chosen.includes(name) && !faults[name].alone && !clash) chosen.push(name)
  }
  return chosen
}

function planFor(names) {
  const plan = {}
  for (const { plan: more = {} } of names.map((name) => faults[name])) {
    Object.assign(plan, { ...more, collector: { ...plan.collector, ...more.collector }, aggregator: { ...plan.aggregator, ...more.aggregator } })
  }
  return plan
}

// Faults that touch the same thing come one after the other.
class Locks {
  #tails = new Map()

  async with(names, body) {
    const before = names.map((name) => this.#tails.get(name))
    let release
    const mine = new Promise((done) => (release = done))
    for (const name of names) this.#tails.set(name, mine)
    await Promise.all(before)
    try {
      return await body()
    } finally {
      release()
    }
  }
}

async function runFaults(round, names, say) {
  const locks = new Locks()
  await Promise.all(names.map(async (name) => {
    const random = round.random.child()
    const [from, to] = faults[name].startsMs ?? [100, STARTS_WITHIN_MS]
    await pause(random.int(from, to))
    await locks.with(faults[name].holds, async () => {
      const at = Date.now() - round.began
      await faults[name].run({ ...round, random, set mustCountDamage(yes) { round.mustCountDamage = yes } })
      say(`${name}@${at}+${Date.now() - round.began - at}`)
    })
  }))
}

// A record on the disk -> the hit that the client knows.
function sameHit(record, hit) {
  if (record.page !== 'shop.example' + hit.page || (record.number ?? 0) !== (hit.fields?.n ?? 0)) return false
  return record.kind === { view: 'pageview', pulse: 'pulse', event: 'event' }[hit.kind]
}

function excuse(round, hits) {
  const named = new Map()
  for (const record of round.damaged) named.set(record.page, [...(named.get(record.page) ?? []), record])
  return (hit) => round.allowed.skips || (named.get('shop.example' + hit.page) ?? []).some((record) => sameHit(record, hit) || record.kind === 'pageview')
}

export async function oneRound({ seed, names, keep, redis }) {
  const random = new Random(seed)
  const began = Date.now()
  const done = []
  const stack = await stacks[redis].start(planFor(names))
  const round = { stack, random, began, problems: [], notes: [], tally: {}, damaged: [], allowed: { gaps: false, whole: true } }
  let result
  try {
    round.traffic = new Traffic(stack, random.child())
    round.importing = new Importing(stack)
    round.traffic.start()
    await round.traffic.until(1)
    await runFaults(round, names, (text) => done.push(text))
    await round.traffic.until(Math.max(HITS_MIN, round.traffic.acknowledged + 40))
    if (stack.mustImport) await importAll(round)
    await round.traffic.stop()
    const hits = [...round.traffic.hits, ...round.importing.hits]
    result = await compare(stack, hits, round.traffic.visitors, { ...round.allowed, excused: excuse(round, hits) })
    if (round.allowed.skips && result.excused > result.figures.skipped) result.problems.push(`${result.excused} gone, but only ${result.figures.skipped} counted as skipped`)
    if (!round.damaged.length && !round.allowed.skips) await addBooks(round, result)
    if (round.mustCountDamage && result.figures.damaged === 0) result.problems.push('damage was not counted')
  } catch (error) {
    result = { sent: 0, acknowledged: 0, counted: 0, lost: [], twice: [], phantom: [], excused: 0, problems: [`failed: ${error.stack}`], ...result }
  }
  round.traffic?.stop().catch(() => {})
  const bad = () => result.lost.length + result.twice.length + result.phantom.length + result.problems.length > 0
  result.problems.push(...round.problems, ...stack.problems.splice(0))
  result.problems.push(...(await stack.end(bad() ? keep && `${keep}/${seed}` : undefined)))
  return { ...result, seed, faults: done, notes: round.notes, tally: round.tally, seconds: (Date.now() - began) / 1000, bad: bad() }
}

async function addBooks({ stack }, result) {
  const { forcedOut } = await stack.figures()
  if (forcedOut > 0) return
  const differences = await checkBooks(stack)
  if (differences.length > 0) result.problems.push(`books: ${differences.length} figures differ: ${differences.slice(0, 4).join('; ')}`)
}

// With a Redis that was emptied an import waits for the operator, like everything else.
async function importAll({ stack, importing, allowed }) {
  const operator = allowed.gaps && setInterval(() => stack.acceptGaps().catch(() => {}), 500)
  try {
    await importing.untilDone()
  } finally {
    clearInterval(operator)
  }
}
