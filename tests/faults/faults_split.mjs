// Two that both believe to be the one: two masters, two holders of a lease. Their form:
// faults_process.mjs.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { Process } from '../scenario/process.mjs'
import { redisCalls } from '../scenario/redis.mjs'
import { freePort } from '../scenario/world.mjs'

const PARTITIONS = 64
const ALL = Array.from({ length: PARTITIONS }, (_, n) => n)

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// ---- two masters

async function sums(socket) {
  const values = await redisCalls(socket, ALL.flatMap((n) => [['HGET', `{p${n}}:meta`, 'shipped'], ['HGET', `{p${n}}:commit`, 'folded']]))
  const sum = (k) => values.filter((_, i) => i % 2 === k).reduce((total, value) => total + Number(value), 0)
  return { shipped: sum(0), folded: sum(1) }
}

// A second Redis that has all that the first one has.
async function replica(stack) {
  const port = await freePort()
  await stack.calls([['CONFIG', 'SET', 'port', String(port)], ['CONFIG', 'SET', 'repl-diskless-sync-delay', '0']])
  const dir = join(stack.top, 'second')
  const socket = join(dir, 'redis.sock')
  mkdirSync(dir)
  const ready = async () => (await redisCalls(socket, [['PING']]))[0] === 'PONG'
  const args = [
    '--port', '0', '--unixsocket', socket, '--dir', dir, '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec',
    '--maxmemory-policy', 'noeviction', '--replicaof', '127.0.0.1', String(port),
  ]
  const one = new Process({ name: 'second redis-server', command: 'redis-server', args, log: join(stack.top, 'second.log'), ready })
  stack.world.processes.push(one)
  stack.servers.push(one)
  await one.start()
  await eventually('the replica has a copy', async () => /master_link_status:up/.test((await redisCalls(socket, [['INFO', 'replication']]))[0]))
  return Object.assign(one, { socket })
}

// Replication is cut, and the replica, promoted, lacks what the first one goes on to acknowledge.
async function fallBehind({ stack, random }, second) {
  await redisCalls(second.socket, [['REPLICAOF', 'NO', 'ONE']])
  const kept = await sums(second.socket)
  const more = random.int(20, 250)
  await eventually('the second lacks hits', async () => (await sums(stack.world.socket)).shipped >= kept.shipped + more)
  return kept
}

// From now on it is the one that all others mean.
function crown(stack, second) {
  stack.world.socket = second.socket
  stack.address = `unix:${second.socket}`
  stack.redis = second
}

// ---- two holders

const leasesOf = (stack) => stack.calls(ALL.map((n) => ['GET', `{p${n}}:lease`]))
const forget = (stack, partitions) => stack.calls(partitions.map((n) => ['DEL', `{p${n}}:lease`]))

const allGiven = (stack) => eventually('every lease is given', async () => (await leasesOf(stack)).every(Boolean))

// Commits refused, of all that has been said since the start.
async function refusals(stack) {
  const all = await Promise.all(stack.aggregators.filter((one) => one.running).map((one) => stack.world.stats(one.admin ?? stack.world.aggregatorAdmin)))
  return all.reduce((n, { refused_lease, refused_changed }) => n + refused_lease + refused_changed, 0)
}

// As a failover does that forgets the moment in which they were given.
const forgetting = {
  all: ({ stack }) => forget(stack, ALL),
  some: ({ stack, random }) => forget(stack, random.some(ALL, random.int(8, 48))),

  // The holder sleeps in the middle of its work, and finds another one there.
  async 'under a sleeper'({ stack, random }) {
    const sleeper = random.pick(stack.aggregators)
    const before = await leasesOf(stack)
    sleeper.signal('SIGSTOP')
    try {
      await forget(stack, ALL)
      await eventually('others hold what it held', async () => (await leasesOf(stack)).filter((lease, n) => lease && lease !== before[n]).length > PARTITIONS / 2)
      await pause(random.int(0, 300))
    } finally {
      sleeper.signal('SIGCONT')
    }
  },

  // Redis has the leases again that were there before they moved.
  async 'for older ones'({ stack, random, allowed }) {
    if (allowed.gaps) return forget(stack, ALL) // some partitions may have to wait for an operator
    const [mover] = random.some(stack.aggregators, 1)
    await stack.born()
    await allGiven(stack)
    await pause(100)
    const since = stack.remembered()
    await stack.stop(mover)
    await allGiven(stack)
    await stack.revive(mover)
    await pause(random.int(300, 1500)) // it takes its share back, under new tokens
    await stack.loseSince(since, (from) => from)
  },
}

export const splitFaults = {
  'forgetful-master': {
    holds: ['redis', 'collector', 'aggregator', 'import'],
    alone: true,
    plan: { relay: true, aggregators: 2, aggregator: { lease_ms: 1500 } },
    async run(round) {
      const { stack, random, notes, tally } = round
      const { relay } = stack
      const first = stack.redis
      await stack.born()
      const second = await replica(stack)
      const kept = await fallBehind(round, second)
      relay.leadTo(second.socket)
      const unnoticed = random.chance(0.5) ? await relay.moveOpen() : 0
      const had = await sums(stack.world.socket)
      crown(stack, second)
      // Those that still talk to the first one find out one by one.
      for (let n = random.int(0, 3); n > 0 && unnoticed === 0; n--) {
        relay.cutOpen(() => random.chance(0.5))
        await pause(random.int(50, 500))
      }
      await first.kill9()
      const forgotten = had.shipped - kept.shipped
      tally.forgotten = (tally.forgotten ?? 0) + forgotten
      notes.push(`${forgotten} acknowledged hits forgotten, ${had.folded - kept.folded} of them folded`, `${unnoticed} connections moved without a break`)
      await round.traffic.until(round.traffic.acknowledged + random.int(20, 150))
      if ((await stack.figures()).gaps === 0 && unnoticed > 0) round.problems.push('no gap was found')
    },
  },

  'lease-twice': {
    holds: ['redis', 'aggregator'],
    forgets: true,
    plan: { aggregators: 2, aggregator: { lease_ms: 1200 } },
    async run(round) {
      const { stack, random, notes } = round
      for (let n = random.int(2, 5); n > 0; n--) {
        await allGiven(stack)
        const how = random.pick(Object.keys(forgetting))
        const before = await refusals(stack)
        await forgetting[how](round)
        await pause(random.int(100, 600))
        await round.traffic.until(round.traffic.acknowledged + random.int(10, 60))
        notes.push(`leases forgotten: ${how}, ${Math.max(0, (await refusals(stack)) - before)} commits refused`)
      }
    },
  },
}
