// What does a profile take of Redis' memory, and does folding a hit cost more when there are many?
// Persons come through the real programs, once a week, with pages of their own choice; the collector's
// clock is moved on by a week each time. So all but the last visits are settled, as in a life, and each
// page stands in its weekly bucket. Then Redis says by how much used_memory grew since the programs
// had started, and what all hashes of profiles take (MEMORY USAGE, every field looked at).
//
// With --weeks 1 all visits are young: three sessions in three days, as of persons who have just come.
// Every pageview can still be changed by a late hit, so its registers are part of the figure.

import { Clock } from '../faults/clock.mjs'
import { profilesOf, usedMemory } from '../scenario/memory.mjs'
import { ORIGIN, World, cpuSeconds, median, options } from './bench.mjs'

const HELP = `tests/bench/profile [--persons 1000000] [--few 10000] [--rounds 3] [--weeks 8] [--pages 10] [--catalogue 500] [--spread 1]
  --few        persons of the small worlds that the costs are compared with; 0: none
  --rounds     of these, for their median
  --weeks      in which the visits lie; 1: all of them within three days
  --pages      that each person opens, out of a catalogue of so many
  --spread     of the site: partitions that its visitors are in
$SENTIER_BUILD names the build, build/release by default.`
const given = options({ persons: 1_000_000, few: 10_000, rounds: 3, weeks: 8, pages: 10, catalogue: 500, spread: 1 }, HELP)

const HOUR = 3600_000
const WEEK_S = 7 * 24 * 3600
const AT_ONCE = 8
const BODY_HITS = 1000
const SITE = 'shop'
const page = encodeURIComponent(`${ORIGIN}/products/`)

const visitorOf = (person) => BigInt.asUintN(64, BigInt(person + 1) * 0x9e3779b97f4a7c15n).toString(36)
const newId = () => Math.floor(Math.random() * 2 ** 53).toString(36)

// What a person sends in one of the visits: a hit per page.
function visit(person, nth, visits) {
  const hits = []
  const v = visitorOf(person)
  for (let i = nth; i < given.pages; i += visits) {
    const ago = (given.weeks > 1 ? person % 48 : 60 - 24 * nth) * HOUR + (given.pages - i) * 60_000
    const number = (person * 31 + i * i * 7 + i) % given.catalogue
    hits.push(`s=${SITE}&k=pv&u=${page}${number}&p=${newId()}&c=1&v=${v}&n=0&a=${ago}&b=${ago}&e=${2000 + 3000 * (i % 5)}&d=${10 * i}`)
  }
  return hits
}

async function sendVisits(world, persons, nth, visits) {
  let next = 0
  let sent = 0
  const one = async () => {
    while (next < persons) {
      const hits = []
      while (next < persons && hits.length < BODY_HITS) hits.push(...visit(next++, nth, visits))
      const { status } = await world.post(hits.join('\n'))
      if (status !== 204) throw new Error(`a beacon was answered with ${status}`)
      sent += hits.length
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  return sent
}

async function sendAll(world, clock, persons) {
  const visits = given.weeks > 1 ? Math.min(given.weeks, given.pages) : 3
  let sent = 0
  for (let nth = 0; nth < visits; nth++) {
    if (given.weeks > 1) clock.set((nth + 1 - visits) * WEEK_S)
    sent += await sendVisits(world, persons, nth, visits)
    await world.settled({ received: sent, withinMs: 3600_000 })
  }
}

// {profiles, keys, bytes and used per profile, µs of aggregator and Redis per hit}
async function measure(persons) {
  const world = await World.lay({
    sites: { [SITE]: { origins: ORIGIN, spread: given.spread } },
    collector: { beacon_max_hits: BODY_HITS + given.pages, body_max: '1M', journal_keep: 0 },
    aggregator: { summary_ms: 60_000 },
  })
  world.redis.args.push('--hash-max-listpack-value', '512') // as sentier up has it
  const clock = new Clock(world.collector, world.top, 0)
  try {
    await world.startAll()
    const before = await usedMemory(world)
    const cpu = [world.aggregator, world.redis].map((one) => cpuSeconds(one.child.pid))
    await sendAll(world, clock, persons)
    await world.settled({ received: persons * given.pages })
    const took = [world.aggregator, world.redis].map((one, i) => (cpuSeconds(one.child.pid) - cpu[i]) * 1e6)
    const grown = (await usedMemory(world)) - before
    const { bytes, keys, profiles } = await profilesOf(world)
    if (profiles !== persons) throw new Error(`${profiles} profiles of ${persons} persons`)
    const hits = persons * given.pages
    return { profiles, keys, bytes: bytes / persons, used: grown / persons, fold: took[0] / hits, redis: took[1] / hits }
  } finally {
    await world.end()
  }
}

const number = (n) => Math.round(n).toLocaleString('en')
const micro = (n) => n.toFixed(1)

function print({ profiles, keys, bytes, used, fold, redis }) {
  console.log(`${number(profiles)} profiles of ${given.pages} pages in ${number(keys)} hashes`)
  console.log(`  used_memory grew by ${number(used)} bytes each, everything counted; the profiles themselves take ${number(bytes)}`)
  console.log(`  a hit took ${micro(fold)} µs of the aggregator and ${micro(redis)} µs of Redis`)
}

const few = []
for (let round = 0; given.few > 0 && round < given.rounds; round++) few.push(await measure(given.few))
if (few.length > 0) print(few.sort((a, b) => a.fold - b.fold)[few.length >> 1])
const many = await measure(given.persons)
print(many)
if (few.length > 0) {
  const ratio = (what) => (many[what] / median(few.map((one) => one[what]))).toFixed(2)
  console.log(`folding a hit costs ${ratio('fold')} times as much as with ${number(given.few)} (Redis: ${ratio('redis')})`)
}
