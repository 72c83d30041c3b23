// Faults of a Redis with standby: failovers, also such as forget, and slots on the move. Their form:
// faults_process.mjs.

import { eventually } from '../scenario/eventually.mjs'
import { answers, reshard } from './reshard.mjs'

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Two that fold, so that a lease that was forgotten can be given twice.
const TWO = { aggregators: 2, aggregator: { lease_ms: 1500 } }

const FORGOTTEN_MIN = 20

// Cuts the replicas off until the master has shipped hits that they lack.
async function fallBehind({ stack, random }, { master, replicas }) {
  await stack.holdBack(master, replicas)
  const more = FORGOTTEN_MIN + random.int(0, 80)
  const kept = await stack.sums(replicas[0])
  await eventually('the replicas lack hits', async () => (await stack.sums(master)).shipped >= kept.shipped + more)
}

// What is forgotten when this master goes now; at least, for hits go on coming.
async function forgotten({ stack, notes, tally }, { master, replicas }) {
  const [had, ...have] = await Promise.all([master, ...replicas].map((one) => stack.sums(one)))
  const lacks = (name) => had[name] - Math.max(...have.map((one) => one[name]))
  notes.push(`${lacks('shipped')} shipped and ${lacks('folded')} folded hits forgotten`)
  tally.forgotten = (tally.forgotten ?? 0) + lacks('shipped')
}

// The others follow the new master, and the old one becomes its replica.
async function putBack({ stack, random }, { master, replicas }) {
  await stack.letIn(replicas)
  await pause(random.int(0, 1500))
  if (!master.running) await stack.revive(master)
  for (const one of [master, ...replicas]) if (!(await stack.masters()).includes(one)) await stack.rejoined(one)
  await stack.agreed()
}

async function sleepThrough({ stack, random }, { master, replicas }) {
  master.signal('SIGSTOP')
  master.stopped = true
  try {
    await stack.promoted(replicas)
    await pause(random.int(0, 2000))
  } finally {
    master.signal('SIGCONT')
    master.stopped = false
  }
}

export const failoverFaults = {
  // The master dies, and with it what the replicas lack.
  'failover-behind': {
    holds: ['redis'],
    forgets: true,
    plan: TWO,
    async run(round) {
      const { stack, random } = round
      await stack.born()
      const shard = await stack.someShard(random)
      await fallBehind(round, shard)
      await forgotten(round, shard)
      await shard.master.kill9()
      await stack.promoted(shard.replicas)
      await putBack(round, shard)
    },
  },

  // The same, but the old master wakes when it has been replaced, and still thinks that it is one.
  'zombie-master-behind': {
    holds: ['redis'],
    forgets: true,
    plan: TWO,
    async run(round) {
      const { stack, random } = round
      await stack.born()
      const shard = await stack.someShard(random)
      await fallBehind(round, shard)
      await forgotten(round, shard)
      await sleepThrough(round, shard)
      await putBack(round, shard)
    },
  },

  'zombie-master': {
    holds: ['redis'],
    forgets: true,
    plan: TWO,
    async run(round) {
      await round.stack.born()
      const shard = await round.stack.someShard(round.random)
      await sleepThrough(round, shard)
      await putBack(round, shard)
    },
  },

  'kill-master': {
    holds: ['redis'],
    forgets: true,
    async run(round) {
      await round.stack.born()
      const shard = await round.stack.someShard(round.random)
      await shard.master.kill9()
      if (round.random.chance(0.7)) await round.stack.promoted(shard.replicas)
      else await pause(round.random.int(0, 1500))
      await putBack(round, shard)
    },
  },

  // Nobody has died: an operator wants another master.
  'switch-over': {
    holds: ['redis'],
    forgets: true,
    async run({ stack, random, ...round }) {
      await stack.born()
      for (let n = random.int(1, 2); n > 0; n--) {
        const shard = await stack.someShard(random)
        await stack.switchOver(shard)
        await stack.promoted(shard.replicas)
        await putBack({ stack, random, ...round }, shard)
      }
    },
  },

  // Whoever could have noticed dies too.
  'failover-and-kill': {
    holds: ['redis', 'collector', 'aggregator'],
    forgets: true,
    plan: TWO,
    async run(round) {
      const { stack, random } = round
      await stack.born()
      const shard = await stack.someShard(random)
      await fallBehind(round, shard)
      await forgotten(round, shard)
      const ours = random.some([...stack.collectors, ...stack.aggregators], random.int(1, 3))
      await Promise.all([shard.master, ...ours].map(async (one) => {
        await pause(random.int(0, 50))
        await one.kill9()
      }))
      if (random.chance(0.5)) await stack.promoted(shard.replicas)
      for (const one of ours) await stack.revive(one)
      await stack.promoted(shard.replicas)
      await putBack(round, shard)
    },
  },
}

export const sentinelFaults = {
  // Nobody knows the master; who is connected stays, who is not must wait.
  'kill-sentinels': {
    holds: ['redis'],
    async run({ stack, random }) {
      const dying = random.some(stack.sentinels, random.int(1, 3))
      const [master] = await stack.masters()
      for (const one of dying) await one.kill9()
      if (random.chance(0.6)) await master.calls(['CLIENT', 'KILL', 'TYPE', 'normal'])
      await pause(random.int(200, 3000))
      for (const one of dying) await stack.revive(one)
      await stack.watched()
    },
  },
}

// The second half of each master's slots goes to the next one.
async function halfOfTheSlots(stack) {
  const ranges = await stack.slots()
  const masters = await stack.masters()
  return masters.map((from, n) => {
    const slots = ranges.filter(({ master }) => master === from).flatMap(({ from: first, to }) => Array.from({ length: to - first + 1 }, (_, i) => first + i))
    return { slots: slots.slice(slots.length / 2), from, to: masters[(n + 1) % masters.length] }
  })
}

const REDIRECTS = ['MOVED', 'ASK', 'TRYAGAIN']

async function reshardUnderLoad({ stack, random, notes, tally }, moves) {
  const before = await answers(stack, REDIRECTS)
  const went = await reshard(stack, moves, random)
  const after = await answers(stack, REDIRECTS)
  await stack.agreed()
  for (const kind of REDIRECTS) went[kind] = after[kind] - before[kind]
  notes.push('moved ' + Object.entries(went).map(([name, n]) => `${n} ${name}`).join(', '))
  for (const [name, n] of Object.entries(went)) tally[name] = (tally[name] ?? 0) + n
}

export const clusterFaults = {
  reshard: {
    holds: ['redis'],
    plan: TWO,
    async run(round) {
      await round.stack.agreed()
      await reshardUnderLoad(round, await halfOfTheSlots(round.stack))
    },
  },

  // A new, empty master takes its share.
  grow: {
    holds: ['redis'],
    async run(round) {
      const { stack } = round
      const fourth = await stack.add()
      await stack.meet(fourth)
      await stack.agreed()
      const moves = await halfOfTheSlots(stack)
      await reshardUnderLoad(round, moves.map(({ slots, from }) => ({ slots: slots.slice(slots.length / 2), from, to: fourth })))
    },
  },

  // A master and its replica: nobody serves those slots; the others go on.
  'lose-shard': {
    holds: ['redis'],
    async run({ stack, random }) {
      const { master, replicas } = await stack.someShard(random)
      const shard = [...replicas, master]
      for (const one of shard) await one.kill9()
      await pause(random.int(500, 5000))
      for (const one of shard.reverse()) await stack.revive(one)
      await stack.agreed()
    },
  },
}
