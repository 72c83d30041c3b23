// Faults of our own processes. A fault: `holds` names what nobody else may touch meanwhile, `plan`
// what it needs of the stack, `alone` that no other fault goes with it; what `forgets` does not go with
// what `forces` segments out; run(round) does it and puts everything back.

import { cpSync, mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { run } from '../scenario/process.mjs'
import { program } from '../scenario/world.mjs'

const PARTITIONS = 64

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Hits go on being acknowledged: the stack is under load again.
const someMore = ({ traffic, random }) => traffic.until(traffic.acknowledged + random.int(20, 150))

async function killAndRevive({ stack, random }, parts) {
  await Promise.all(random.some(parts, parts.length).map(async (one) => {
    await pause(random.int(0, 20))
    await one.kill9()
  }))
  await pause(random.int(0, 600))
  for (const one of parts) await stack.revive(one)
}

async function restart({ stack, random }, one) {
  await stack.stop(one)
  await pause(random.int(0, 300))
  await stack.revive(one)
}

// Restarts the first collector with other options.
async function restartWith(round, options) {
  const { stack } = round
  const [collector] = stack.collectors
  await stack.stop(collector)
  Object.assign(stack.world.options.collector, options)
  stack.world.writeConf()
  await stack.revive(collector)
}

export const processFaults = {
  'kill-collector': { holds: ['collector'], run: (round) => killAndRevive(round, [round.stack.collectors[0]]) },
  'kill-aggregator': { holds: ['aggregator'], run: (round) => killAndRevive(round, [round.stack.aggregators[0]]) },
  'kill-redis': { holds: ['redis'], standalone: true, run: (round) => killAndRevive(round, [round.stack.redis]) },
  'kill-all': {
    holds: ['aggregator', 'collector', 'redis'],
    run: (round) => killAndRevive(round, [...round.stack.servers, ...round.stack.collectors, ...round.stack.aggregators]),
  },
  'term-collector': { holds: ['collector'], run: (round) => restart(round, round.stack.collectors[0]) },
  'term-aggregator': { holds: ['aggregator'], run: (round) => restart(round, round.stack.aggregators[0]) },

  // Streams are full again and again: hits are passed over on the disk and fetched later.
  'full-streams': {
    holds: ['aggregator', 'redis'],
    plan: { collector: { stream_max: '4k', journal_segment: '64k' } },
    async run({ stack, random, notes }) {
      for (let n = random.int(1, 3); n > 0; n--) {
        const aggregators = stack.aggregators.filter((one) => one.running)
        for (const one of aggregators) one.signal('SIGSTOP')
        await pause(random.int(500, 2500))
        const lengths = await stack.calls(Array.from({ length: PARTITIONS }, (_, p) => ['HGET', `{p${p}}:meta`, 'bytes']))
        notes.push(`${lengths.filter((bytes) => Number(bytes) >= 4096).length} full streams`)
        for (const one of aggregators) one.signal('SIGCONT')
        await pause(random.int(100, 800))
      }
    },
  },

  // It wakes when its partitions have long been another's.
  zombie: {
    holds: ['aggregator'],
    plan: { aggregators: 2, aggregator: { lease_ms: 1200 } },
    async run({ stack, random }) {
      const sleeper = random.pick(stack.aggregators)
      const leases = () => stack.calls(Array.from({ length: PARTITIONS }, (_, n) => ['GET', `{p${n}}:lease`]))
      const held = await eventually('leases are held', leases)
      sleeper.signal('SIGSTOP')
      try {
        await eventually('those of the sleeper have moved', async () => {
          const now = await leases()
          return now.filter((lease, n) => lease && lease === held[n]).length <= PARTITIONS / 2 && now.every(Boolean)
        })
        await pause(random.int(0, 1500))
      } finally {
        sleeper.signal('SIGCONT')
      }
    },
  },

  'second-collector': {
    holds: ['collector'],
    async run({ stack, problems }) {
      const [first] = stack.collectors
      const { code, err } = await run(program('sentier-collector'), ['--conf', first.conf])
      if (code !== 2 || !/in use by another collector/.test(err)) problems.push(`second collector: ended with ${code}: ${err}`)
    },
  },

  workers: {
    holds: ['collector'],
    async run(round) {
      for (let n = round.random.int(1, 3); n > 0; n--) {
        await restartWith(round, { workers: round.random.int(1, 5) })
        await someMore(round)
      }
    },
  },

  // An older copy of the journals in their place; all of it had been shipped, so nothing is lost.
  'restore-journal': {
    holds: ['collector', 'redis', 'aggregator'],
    alone: true,
    async run(round) {
      const { stack } = round
      const [collector] = stack.collectors
      const copy = join(stack.top, 'copy')
      cpSync(join(collector.data, 'journal'), copy, { recursive: true })
      await someMore(round)
      await stack.stop(collector)
      const aside = join(stack.top, 'aside')
      mkdirSync(aside)
      renameSync(join(collector.data, 'journal'), join(aside, 'journal'))
      stack.old.push(aside)
      renameSync(copy, join(collector.data, 'journal'))
      round.allowed.whole = false
      await stack.revive(collector)
    },
  },

  // The same segments on two hosts, one of which goes on writing the last of them.
  'clone-journal': {
    holds: ['collector', 'redis', 'aggregator'],
    alone: true,
    async run(round) {
      const { stack, random } = round
      const [first] = stack.collectors
      const running = random.chance(0.5)
      if (!running) await first.kill9()
      const salts = join(dirname(stack.world.salts), 'clone')
      const second = await stack.world.collectorBeside('clone', { data: join(stack.top, 'clone'), salt_file: salts })
      cpSync(first.data, second.data, { recursive: true })
      cpSync(stack.world.salts, salts) // until it has heard of the others', a cookieless visitor would be two
      round.allowed.whole = false
      await stack.revive(second)
      stack.collectors.push(second)
      if (!running) await stack.revive(first)
      await someMore(round)
    },
  },

  'kill-import': {
    holds: ['import'],
    async run({ stack, importing, random }) {
      for (let n = random.int(1, 4); n > 0; n--) {
        importing.grow(random.int(50, 4000))
        if (await importing.once(random.int(5, 600))) continue
        await pause(random.int(0, 200))
      }
      stack.mustImport = true
    },
  },
}
