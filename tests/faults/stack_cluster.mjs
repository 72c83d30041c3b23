// Three masters with a replica each.

import { join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { freePort } from '../scenario/world.mjs'
import { Replicated } from './stack_replicated.mjs'

const MASTERS = 3
const SLOTS = 16384
const NODE_TIMEOUT_MS = 1500

// CRC16 (XMODEM) of the hash tag, or of the whole key.
export function slotOf(key) {
  const [, tag] = /^[^{]*\{([^}]+)\}/.exec(key) ?? [null, key]
  let crc = 0
  for (const byte of Buffer.from(tag, 'latin1')) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc % SLOTS
}

export class Cluster extends Replicated {
  async startRedis({ servers = [] }) {
    this.nodes = []
    this.args = servers
    for (let n = 0; n < 2 * MASTERS; n++) await this.add()
    const masters = this.nodes.slice(0, MASTERS)
    const share = (n) => Math.floor((SLOTS * n) / MASTERS)
    for (const [n, one] of masters.entries()) {
      await one.calls(['CLUSTER', 'SET-CONFIG-EPOCH', String(n + 1)], ['CLUSTER', 'ADDSLOTSRANGE', String(share(n)), String(share(n + 1) - 1)])
    }
    for (const one of this.nodes.slice(1)) await this.meet(one)
    for (const [n, one] of this.nodes.slice(MASTERS).entries()) await this.replicate(one, masters[n])
    await this.agreed()
    this.address = `cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
    return this.address
  }

  // A node of its own, empty, that nobody knows yet.
  async add() {
    const bus = await freePort()
    const one = await this.node(`redis${this.nodes.length}`, (dir) => [
      '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction', '--repl-diskless-sync-delay', '0',
      '--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-config-file', join(dir, 'nodes.conf'),
      '--cluster-node-timeout', String(NODE_TIMEOUT_MS), '--cluster-require-full-coverage', 'no', '--repl-ping-replica-period', '1', ...this.args,
    ])
    this.nodes.push(one)
    this.adopt([one])
    await one.start()
    const [id] = await one.calls(['CLUSTER', 'MYID'])
    return Object.assign(one, { bus, id })
  }

  async meet(one) {
    await this.nodes[0].calls(['CLUSTER', 'MEET', '127.0.0.1', String(one.port), String(one.bus)])
    await eventually(`${one.name} is known to all`, async () => {
      const tables = await Promise.all(this.nodes.filter((node) => node.known || node === one || node === this.nodes[0]).map((node) => node.calls(['CLUSTER', 'NODES'])))
      return tables.every(([text]) => text.includes(`${one.id} 127.0.0.1:${one.port}@`) && !/handshake/.test(text))
    })
    one.known = true
  }

  async replicate(one, master) {
    await eventually(`${one.name} replicates ${master.name}`, () => one.calls(['CLUSTER', 'REPLICATE', master.id]))
    await this.rejoined(one)
  }

  // All living nodes see all slots served, by the same masters.
  async agreed() {
    await eventually('the nodes agree on the slots', async () => {
      const views = await Promise.all(this.nodes.filter(({ running }) => running).map((one) => this.#view(one)))
      const said = views.map(({ slots }) => JSON.stringify(slots.map(([from, to, [, port]]) => [from, to, port]).sort((a, b) => a[0] - b[0])))
      return views.every(({ ok }) => ok) && said.every((one) => one === said[0])
    })
  }

  async #view(node) {
    const [info, slots] = await node.calls(['CLUSTER', 'INFO'], ['CLUSTER', 'SLOTS'])
    const served = slots.reduce((n, [from, to]) => n + to - from + 1, 0)
    return { ok: /cluster_state:ok/.test(info) && served === SLOTS, slots, epoch: Number(/cluster_current_epoch:(\d+)/.exec(info)[1]) }
  }

  // Who serves what, by the node that has heard of the newest election.
  async slots() {
    const asked = await Promise.allSettled(this.nodes.filter(({ running, stopped }) => running && !stopped).map((one) => this.#view(one)))
    const views = asked.filter(({ status }) => status === 'fulfilled').map(({ value }) => value)
    const newest = Math.max(...views.map(({ epoch }) => epoch))
    const ranges = views.find(({ epoch }) => epoch === newest).slots
    return ranges.map(([from, to, [, port]]) => ({ from, to, master: this.byPort(port) }))
  }

  async masters() {
    return [...new Set((await this.slots()).map(({ master }) => master))]
  }

  async calls(commands) {
    const slots = await this.slots()
    const groups = new Map()
    commands.forEach((command, index) => {
      const slot = slotOf(command[1])
      const { master } = slots.find(({ from, to }) => from <= slot && slot <= to) ?? {}
      if (!master) throw new Error(`nobody serves slot ${slot}`)
      groups.set(master, [...(groups.get(master) ?? []), { command, index }])
    })
    const replies = []
    for (const [master, group] of groups) {
      const answers = await master.calls(...group.map(({ command }) => command))
      group.forEach(({ index }, i) => (replies[index] = answers[i]))
    }
    return replies
  }

  // An operator's switch: the old master agrees, and the replica has all that it had.
  // It gives up after 5 s when the two have not heard each other yet.
  async switchOver({ replicas: [replica] }) {
    const isMaster = async () => (await this.role(replica)).role === 'master'
    await eventually(`${replica.name} takes over`, async () => {
      await replica.calls(['CLUSTER', 'FAILOVER'])
      return eventually(`${replica.name} is the master`, isMaster, 6000)
    })
  }
}
