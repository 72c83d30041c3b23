// Faults of Redis, and of the way to it. Their form: faults_process.mjs.

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// A setting for a while. undo: commands on a connection of their own.
async function meanwhile({ stack, random }, commands, undo, [from, to] = [200, 2500]) {
  await stack.calls(commands)
  await pause(random.int(from, to))
  await stack.calls(undo)
}

const KEYS = 20_000

export const redisFaults = {
  // Longer than every time-out of the programs.
  'stop-redis': {
    holds: ['redis'],
    async run({ stack, random }) {
      stack.redis.signal('SIGSTOP')
      await pause(random.int(5600, 7500))
      stack.redis.signal('SIGCONT')
    },
  },

  'cut-aof': {
    holds: ['redis'],
    forgets: true,
    async run({ stack, random, notes, allowed }) {
      if (!allowed.gaps) await stack.born()
      await pause(random.int(100, 1000))
      notes.push(`${await stack.loseTail(1000, (from, to) => random.int(from, to))} bytes forgotten`)
    },
  },

  // What is forgotten may be all there ever was of a partition.
  'cut-aof-young': {
    holds: ['redis'],
    forgets: true,
    startsMs: [0, 500],
    run: async ({ stack, random, notes }) => {
      notes.push(`${await stack.loseTail(1000, (from, to) => random.int(from, to))} bytes forgotten`)
    },
  },

  // Aggregators have read what Redis forgets before they could commit it.
  'cut-aof-under-commit': {
    holds: ['aggregator', 'redis'],
    forgets: true,
    async run({ stack, random, notes, allowed }) {
      if (!allowed.gaps) await stack.born()
      for (const one of stack.aggregators) one.signal('SIGSTOP')
      await pause(random.int(20, 80)) // commits that are out get done
      const since = stack.remembered()
      await pause(random.int(150, 400))
      await stack.call('CLIENT', 'PAUSE', '30000', 'WRITE')
      for (const one of stack.aggregators) one.signal('SIGCONT')
      await pause(random.int(50, 250))
      const lost = await stack.loseSince(since, (from, to) => (random.chance(0.5) ? from : random.int(from, to)))
      notes.push(`${lost} bytes forgotten`)
    },
  },

  // Everything is gone; the journals have it all. An operator must say that this is so.
  'empty-redis': {
    holds: ['redis'],
    forgets: true,
    async run({ stack, allowed }) {
      allowed.gaps = true
      await stack.loseAll()
    },
  },

  // As before, but segments were deleted as soon as they were shipped: what is given up is counted.
  'empty-redis-short-keep': {
    holds: ['redis', 'aggregator', 'collector', 'import'],
    alone: true,
    plan: { collector: { journal_keep: 0, journal_segment: '64k' } },
    async run({ stack, allowed, random }) {
      Object.assign(allowed, { gaps: true, whole: false, skips: true })
      await pause(random.int(500, 3000))
      await stack.loseAll()
    },
  },

  readonly: { holds: ['redis'], run: (round) => meanwhile(round, [['REPLICAOF', '127.0.0.1', '1']], [['REPLICAOF', 'NO', 'ONE']]) },
  'no-replicas': {
    holds: ['redis'],
    run: (round) => meanwhile(round, [['CONFIG', 'SET', 'min-replicas-to-write', '1']], [['CONFIG', 'SET', 'min-replicas-to-write', '0']]),
  },
  oom: { holds: ['redis'], run: (round) => meanwhile(round, [['CONFIG', 'SET', 'maxmemory', '1']], [['CONFIG', 'SET', 'maxmemory', '0']]) },
  auth: {
    holds: ['redis'],
    run: (round) => meanwhile(round, [['CONFIG', 'SET', 'requirepass', 'secret'], ['CLIENT', 'KILL', 'TYPE', 'normal']], [['AUTH', 'secret'], ['CONFIG', 'SET', 'requirepass', '']]),
  },
  loading: {
    holds: ['redis'],
    async run({ stack, random }) {
      await stack.call('EVAL', `for i = 1, ${KEYS} do redis.call('SET', 'filler:' .. i, i) end`, '0')
      await stack.redis.kill9()
      stack.redis.args.push('--key-load-delay', String(random.int(30, 150)))
      await stack.revive(stack.redis)
      stack.redis.args.splice(-2)
    },
  },

  'kill-clients': {
    holds: ['redis'],
    async run({ stack, random }) {
      for (let n = random.int(1, 8); n > 0; n--) {
        await stack.call('CLIENT', 'KILL', 'TYPE', random.pick(['normal', 'normal', 'pubsub']))
        await pause(random.int(0, 400))
      }
    },
  },

  'cut-reply': {
    holds: ['redis'],
    plan: { relay: true },
    async run({ stack, random }) {
      for (let n = random.int(2, 10); n > 0; n--) {
        stack.relay.cutAfter(() => (random.chance(0.5) ? random.int(1, 40) : random.int(1, 3000)))
        await pause(random.int(0, 500))
      }
    },
  },
}
