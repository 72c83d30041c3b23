// A master with two replicas, watched by three sentinels.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { Replicated } from './stack_replicated.mjs'

const NAME = 'sentier'
const REPLICAS = 2
const SENTINELS = 3
const DOWN_AFTER_MS = 1000

const server = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction', '--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1']

export class Sentinel extends Replicated {
  async startRedis({ servers = [] }) {
    const args = [...server, ...servers]
    const master = await this.node('redis0', () => args)
    this.nodes = [master]
    for (let n = 1; n <= REPLICAS; n++) this.nodes.push(await this.node(`redis${n}`, () => [...args, '--replicaof', '127.0.0.1', String(master.port)]))
    this.sentinels = []
    for (let n = 0; n < SENTINELS; n++) this.sentinels.push(await this.node(`sentinel${n}`, (dir) => this.#sentinel(dir, master)))
    this.adopt([...this.nodes, ...this.sentinels])
    for (const one of this.nodes) await one.start()
    for (const one of this.nodes.slice(1)) await this.rejoined(one)
    for (const one of this.sentinels) await one.start()
    await this.watched()
    this.address = `sentinel://${NAME}@${this.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
    return this.address
  }

  #sentinel(dir, master) {
    const conf = join(dir, 'sentinel.conf')
    const lines = [`monitor ${NAME} 127.0.0.1 ${master.port} 2`, `down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`, `failover-timeout ${NAME} 6000`, `parallel-syncs ${NAME} 2`]
    writeFileSync(conf, lines.map((line) => `sentinel ${line}\n`).join(''))
    return [conf, '--sentinel']
  }

  // Every sentinel knows the others and all replicas, and sees them well.
  async watched() {
    await eventually('the sentinels know each other and the replicas', async () => {
      for (const one of this.sentinels) {
        const [master, replicas] = await one.calls(['SENTINEL', 'MASTER', NAME], ['SENTINEL', 'REPLICAS', NAME])
        const field = (list, name) => list[list.indexOf(name) + 1]
        if (field(master, 'flags') !== 'master' || Number(field(master, 'num-other-sentinels')) !== SENTINELS - 1) return false
        const well = replicas.filter((replica) => field(replica, 'flags') === 'slave' && field(replica, 'master-link-status') === 'ok')
        if (well.length !== REPLICAS) return false
      }
      return true
    })
  }

  // All sentinels name the same master.
  async agreed() {
    await eventually('the sentinels agree on the master', async () => new Set(await Promise.all(this.#asked())).size === 1)
  }

  #asked() {
    const ask = async (one) => (await one.calls(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME]))[0][1]
    return this.sentinels.filter(({ running }) => running).map(ask)
  }

  // As the first sentinel says that answers.
  async masters() {
    return [this.byPort(await Promise.any(this.#asked()))]
  }

  async calls(commands) {
    const [master] = await this.masters()
    return master.calls(...commands)
  }

  // An operator's switch: the old master is not asked.
  async switchOver() {
    await eventually('a sentinel begins a failover', async () => (await this.sentinels[0].calls(['SENTINEL', 'FAILOVER', NAME]))[0] === 'OK')
  }
}
