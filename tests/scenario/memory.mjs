// What Redis' memory holds of profiles.

import { redisCalls } from './redis.mjs'

export async function usedMemory(world) {
  const info = await world.redisCall('INFO', 'memory')
  return Number(/^used_memory:(\d+)/m.exec(info)[1])
}

// {bytes, keys, profiles} of all hashes of profiles, every field looked at.
export async function profilesOf(world) {
  const sum = { bytes: 0, keys: 0, profiles: 0 }
  for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
    const [next, keys] = await world.redisCall('SCAN', cursor, 'MATCH', '{p*}:profiles:*', 'COUNT', '1000')
    const asks = keys.flatMap((key) => [['MEMORY', 'USAGE', key, 'SAMPLES', '0'], ['HLEN', key]])
    const replies = asks.length > 0 ? await redisCalls(world.socket, asks) : []
    for (let i = 0; i < replies.length; i += 2) {
      sum.bytes += replies[i]
      sum.profiles += replies[i + 1]
    }
    sum.keys += keys.length
    cursor = next
  }
  return sum
}
