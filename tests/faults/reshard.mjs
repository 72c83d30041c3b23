// Moves slots of a Redis Cluster from master to master while they are in use, the way redis-cli does,
// but slower where there are keys: between two keys of one slot the programs meet ASK and TRYAGAIN.

const AT_ONCE = 256

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function moveKeys({ slot, from, to, random }) {
  let moved = 0
  for (;;) {
    const [keys] = await from.calls(['CLUSTER', 'GETKEYSINSLOT', String(slot), String(random.int(1, 3))])
    if (keys.length === 0) return moved
    await from.calls(['MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys.map((key) => Buffer.from(key, 'latin1'))])
    moved += keys.length
    await pause(random.int(0, 25))
  }
}

async function moveSome(cluster, slots, from, to, random) {
  const all = (node, ...words) => node.calls(...slots.map((slot) => ['CLUSTER', 'SETSLOT', String(slot), ...words]))
  await all(to, 'IMPORTING', from.id)
  await all(from, 'MIGRATING', to.id)
  let moved = 0
  // A key that comes into being after this look is made at its new node.
  for (const slot of slots) moved += await moveKeys({ slot, from, to, random })
  await all(to, 'NODE', to.id)
  await all(from, 'NODE', to.id)
  for (const master of await cluster.masters()) if (master !== from && master !== to) await all(master, 'NODE', to.id)
  return moved
}

// moves: [{ slots: [...], from, to }]. How many slots and keys went.
export async function reshard(cluster, moves, random) {
  const total = { slots: 0, keys: 0 }
  for (const { slots, from, to } of moves) {
    for (let at = 0; at < slots.length; at += AT_ONCE) {
      const some = slots.slice(at, at + AT_ONCE)
      total.keys += await moveSome(cluster, some, from, to, random)
      total.slots += some.length
    }
  }
  return total
}

// How often nodes answered so, since they started.
export async function answers(cluster, kinds) {
  const total = Object.fromEntries(kinds.map((kind) => [kind, 0]))
  for (const one of cluster.nodes.filter(({ running }) => running)) {
    const [info] = await one.calls(['INFO', 'errorstats'])
    for (const kind of kinds) total[kind] += Number(new RegExp(`errorstat_${kind}:count=(\\d+)`).exec(info)?.[1] ?? 0)
  }
  return total
}
