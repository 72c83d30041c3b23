// Rounds of faults against real stacks, and their totals. Ends with 1 when a promise was broken.

import { choose, faultsOf, oneRound, stacks } from './round.mjs'
import { Random } from './random.mjs'

const HELP = `tests/chaos [--redis standalone|sentinel|cluster] [--rounds N] [--seed S] [--faults A,B] [--seconds N] [--keep DIR]

Drives numbered hits at real stacks, injects faults, and compares hit by hit what was acknowledged
with what was counted. Round k has seed S + k; --rounds 1 --seed S repeats one.

  --redis KIND   standalone
  --rounds N     20
  --seed S       1
  --faults A,B   only these, all of them in each round; without: mixed
  --pool A,B     only these, mixed
  --seconds N    no new round after so many seconds
  --keep DIR     what a broken round leaves behind
  $SENTIER_BUILD  the programs, build/debug

${Object.keys(stacks).map((redis) => `Faults on ${redis}: ${faultsOf(redis).join(' ')}`).join('\n\n')}`

const LISTED = 5

function arguments_(args) {
  const given = { redis: 'standalone', rounds: 20, seed: 1, seconds: Infinity }
  while (args.length > 0) {
    const name = args.shift().replace(/^--/, '')
    const value = args.shift()
    if (!['redis', 'rounds', 'seed', 'faults', 'pool', 'seconds', 'keep'].includes(name) || value === undefined) throw new Error(HELP)
    given[name] = ['rounds', 'seed', 'seconds'].includes(name) ? Number(value) : value
  }
  if (!(given.redis in stacks)) throw new Error(HELP)
  for (const list of ['faults', 'pool']) {
    given[list] = given[list]?.split(',')
    const unknown = given[list]?.find((name) => !faultsOf(given.redis).includes(name))
    if (unknown) throw new Error(`no fault '${unknown}' on ${given.redis}\n\n${HELP}`)
  }
  return given
}

function print(round) {
  const { sent, acknowledged, counted, lost, twice, phantom } = round
  const figures = `sent ${sent} acknowledged ${acknowledged} counted ${counted} lost ${lost.length} twice ${twice.length} phantom ${phantom.length}`
  const more = [round.excused > 0 && `${round.excused} excused`, round.figures?.skipped > 0 && `${round.figures.skipped} skipped`, ...round.notes].filter(Boolean)
  console.log(`seed ${round.seed}: ${figures} | ${round.faults.join(' ')} | ${more.join(', ')}${more.length ? ' | ' : ''}${round.seconds.toFixed(1)} s`)
  for (const kind of ['lost', 'twice', 'phantom']) {
    for (const text of round[kind].slice(0, LISTED)) console.log(`  ${kind}: ${text}`)
  }
  for (const text of round.problems) console.log(`  ${text}`)
}

export async function chaos(args) {
  const given = arguments_(args)
  const began = Date.now()
  const total = { rounds: 0, sent: 0, acknowledged: 0, counted: 0, lost: 0, twice: 0, phantom: 0, broken: 0 }
  for (let k = 0; k < given.rounds && (Date.now() - began) / 1000 < given.seconds; k++) {
    const seed = given.seed + k
    const pool = given.pool ?? faultsOf(given.redis)
    const names = given.faults ?? choose(pool, seed, new Random(seed))
    const round = await oneRound({ seed, names, keep: given.keep, redis: given.redis })
    print(round)
    total.rounds++
    total.broken += round.bad
    for (const name of ['sent', 'acknowledged', 'counted']) total[name] += round[name]
    for (const name of ['lost', 'twice', 'phantom']) total[name] += round[name].length
    for (const [name, n] of Object.entries(round.tally)) total[name] = (total[name] ?? 0) + n
  }
  console.log(Object.entries(total).map(([name, n]) => `${name} ${n}`).join(' '))
  return total
}
