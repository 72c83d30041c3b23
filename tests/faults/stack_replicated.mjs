// What Sentinel and Cluster have in common: masters with replicas, all real servers on loopback, and
// a failover that forgets. A replica falls behind for sure when its master cuts it off and it does not
// get in again for a wrong password: what was acknowledged from then on dies with the master. (One that
// is only stopped would find all of it in its socket when it wakes.)

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { Process } from '../scenario/process.mjs'
import { redisCalls, redisReplies } from '../scenario/redis.mjs'
import { freePort } from '../scenario/world.mjs'
import { Stack } from './stack.mjs'

const PARTITIONS = 64
const FAILOVER_WITHIN_MS = 60_000

export class Replicated extends Stack {
  // A server of ours: a Process that can be asked.
  async node(name, args) {
    const port = await freePort()
    const dir = join(this.top, name)
    mkdirSync(dir)
    const where = { host: '127.0.0.1', port }
    const ready = async () => (await redisCalls(where, [['PING']]))[0] === 'PONG'
    const own = ['--bind', where.host, '--port', String(port), '--dir', dir]
    const one = new Process({ name, command: 'redis-server', args: [...args(dir), ...own], log: join(this.top, `${name}.log`), ready })
    return Object.assign(one, { port, dir, calls: (...commands) => redisCalls(where, commands), replies: (...commands) => redisReplies(where, commands) })
  }

  // The world stops what is first last.
  adopt(servers) {
    this.servers.push(...servers)
    this.world.processes = [...this.servers, ...this.world.processes.filter((one) => one !== this.world.redis && !this.servers.includes(one))]
  }

  byPort(port) {
    return this.servers.find((one) => one.port === Number(port))
  }

  async role(node) {
    const [[role, , port, link]] = await node.calls(['ROLE'])
    return { role, master: role === 'slave' ? port : undefined, connected: link === 'connected' }
  }

  // The nodes that replicate `master` now, link up or not.
  async replicasOf(master) {
    const found = []
    for (const one of this.nodes.filter((node) => node.running && node !== master)) {
      if ((await this.role(one)).master === master.port) found.push(one)
    }
    return found
  }

  // One of the masters that have hits, with its replicas.
  async someShard(random) {
    return eventually('a master with hits has a replica', async () => {
      const shards = []
      for (const master of await this.masters()) {
        const replicas = await this.replicasOf(master)
        if (replicas.length > 0 && (await this.sums(master)).shipped > 0) shards.push({ master, replicas })
      }
      return shards.length > 0 && random.pick(shards)
    })
  }

  // What this node has of the partitions, also when it is only a replica.
  async sums(node) {
    const fields = Array.from({ length: PARTITIONS }, (_, n) => [['HGET', `{p${n}}:meta`, 'shipped'], ['HGET', `{p${n}}:commit`, 'folded']])
    const [, ...replies] = await node.replies(['READONLY'], ...fields.flat())
    const sum = (parity) => replies.filter((one, i) => i % 2 === parity && !(one instanceof Error)).reduce((n, one) => n + Number(one), 0)
    return { shipped: sum(0), folded: sum(1) }
  }

  // From now on nothing reaches these replicas.
  async holdBack(master, replicas) {
    for (const one of replicas) await one.calls(['CONFIG', 'SET', 'masterauth', 'wrong'])
    await eventually('the replicas are cut off', async () => {
      await master.calls(['CLIENT', 'KILL', 'TYPE', 'replica'])
      const roles = await Promise.all(replicas.map((one) => this.role(one)))
      return roles.every(({ connected }) => !connected)
    })
  }

  // A server that is just told what to be cuts its connections, also this one.
  async letIn(nodes) {
    for (const one of nodes) await eventually(`${one.name} is let in again`, () => one.calls(['CONFIG', 'SET', 'masterauth', '']))
  }

  // The replica that took over.
  async promoted(replicas) {
    return eventually('a replica took over', async () => {
      for (const one of replicas) {
        if ((await this.role(one)).role === 'master' && (await this.masters()).includes(one)) return one
      }
    }, FAILOVER_WITHIN_MS)
  }

  async rejoined(node) {
    await eventually(`${node.name} is a replica`, async () => (await this.role(node)).connected, FAILOVER_WITHIN_MS)
  }
}
