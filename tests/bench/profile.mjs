// What does a profile take of Redis' memory? Persons come through the real programs, each with pages
// of its own choice in three sessions on three days, each page with a pulse; then Redis says what all
// hashes of profiles take (MEMORY USAGE, every field looked at) and by how much used_memory grew.
//
// The sessions are young, as all live hits are: every pageview can still be changed by a late hit,
// so its registers are part of the figure. They go when the person's next hit is over 4 days later.

import { profilesOf, usedMemory } from '../scenario/memory.mjs'
import { ORIGIN, World, newId, options } from './bench.mjs'

const HELP = `tests/bench/profile [--persons 100000] [--pages 10] [--catalogue 500]
  --pages      that each person opens, out of a catalogue of so many
$SENTIER_BUILD names the build, build/release by default.`
const given = options({ persons: 100_000, pages: 10, catalogue: 500 }, HELP)

const HOUR = 3600_000
const AT_ONCE = 32
const SITE = 'shop'

// A person's hits, in beacons of three sessions.
function sessionsOf(person) {
  const id = newId()
  const sessions = [[], [], []]
  for (let i = 0; i < given.pages; i++) {
    const ago = (60 - 24 * (i % 3)) * HOUR - i * 60_000
    const page = (person * 31 + i * i * 7 + i) % given.catalogue
    const hit = { s: SITE, k: 'pv', u: `${ORIGIN}/products/${page}`, p: newId(), c: 1, v: id, n: 0, a: ago, b: ago }
    sessions[i % 3].push(hit, { ...hit, k: 'pu', n: 1, e: 2000 + 3000 * (i % 5), d: 10 * i, a: ago - 30_000 })
  }
  return sessions
}

async function sendAll(world) {
  let person = 0
  const one = async () => {
    while (person < given.persons)
      for (const session of sessionsOf(person++)) {
        const { status } = await world.beacon(session)
        if (status !== 204) throw new Error(`a beacon was answered with ${status}`)
      }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
}

const world = await World.lay({ sites: { [SITE]: { origins: ORIGIN } } })
world.redis.args.push('--hash-max-listpack-value', '512') // as sentier up has it
try {
  await world.startAll()
  const before = await usedMemory(world)
  await sendAll(world)
  await world.settled({ received: given.persons * given.pages * 2 })
  const grown = (await usedMemory(world)) - before
  const { bytes, keys, profiles } = await profilesOf(world)
  if (profiles !== given.persons) throw new Error(`${profiles} profiles of ${given.persons} persons`)
  const number = (n) => Math.round(n).toLocaleString('en')
  console.log(`${number(profiles)} profiles of ${given.pages} pages in ${number(keys)} hashes`)
  console.log(`${number(bytes / profiles)} bytes each; used_memory grew by ${number(grown / profiles)} each, all else that is kept included`)
} finally {
  await world.end()
}
