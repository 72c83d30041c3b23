// Faults of the journal's disk. Their form: faults_process.mjs.

import { closeSync, openSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { damage, headBytes, segments } from './journal.mjs'

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function fill(file, leave) {
  const fd = openSync(file, 'w')
  try {
    for (const chunk of [65536, 4096, 512]) {
      for (;;) {
        try {
          writeSync(fd, Buffer.alloc(chunk))
        } catch (error) {
          if (error.code !== 'ENOSPC') throw error
          break
        }
      }
    }
  } finally {
    closeSync(fd)
  }
  truncateSync(file, Math.max(0, statSync(file).size - leave))
}

// The collector dies with hits that nobody else has; its journal is changed before it comes back.
async function damageWhileDown(round, change) {
  const { stack, random, damaged, notes } = round
  const [collector] = stack.collectors
  const redisAway = random.chance(0.7)
  if (redisAway) await Promise.all(stack.servers.map((one) => one.kill9()))
  await round.traffic.until(round.traffic.acknowledged + random.int(30, 250))
  await collector.kill9()
  if (redisAway) for (const one of stack.servers) await stack.revive(one)
  round.allowed.whole = false
  for (const file of random.some(segments(collector.data), random.int(1, 2))) {
    const { lost, inside } = damage(file, (bytes) => change(bytes, random))
    lost.forEach((hit) => damaged.push(hit))
    if (inside) round.mustCountDamage = true
    notes.push(`${lost.length} records damaged`)
  }
  await stack.revive(collector)
}

function flip(bytes, random) {
  const from = headBytes(bytes)
  if (bytes.length <= from) return bytes
  for (let n = random.int(1, 6); n > 0; n--) bytes[random.int(from, bytes.length - 1)] ^= 1 << random.int(0, 7)
  return bytes
}

export const diskFaults = {
  // Shipped segments make room before their time: with them gone, Redis must not forget.
  'disk-full': {
    holds: ['disk'],
    forces: true,
    plan: { tmpfs: 24 * 1024 * 1024, collector: { journal_segment: '1M' } },
    async run({ stack, random, traffic, notes }) {
      const ballast = join(stack.collectors[0].data, 'ballast')
      const before = traffic.answers.refused
      fill(ballast, random.int(0, 60_000))
      await pause(random.int(500, 2500))
      rmSync(ballast)
      notes.push(`${traffic.answers.refused - before} answers 503`)
    },
  },

  'disk-reserve': {
    holds: ['disk'],
    forces: true,
    plan: { tmpfs: 24 * 1024 * 1024, collector: { journal_reserve: '4M', journal_segment: '64k' } },
    async run({ stack, random, traffic, notes }) {
      const ballast = join(stack.collectors[0].data, 'ballast')
      const before = traffic.answers.refused
      fill(ballast, random.int(0, 4 * 1024 * 1024))
      await pause(random.int(1200, 3000))
      rmSync(ballast)
      notes.push(`${traffic.answers.refused - before} answers 503`)
    },
  },

  'cut-segment': {
    holds: ['collector', 'redis', 'aggregator'],
    alone: true,
    run: (round) => damageWhileDown(round, (bytes, random) => bytes.subarray(0, random.int(0, bytes.length))),
  },
  'flip-segment': { holds: ['collector', 'redis', 'aggregator'], alone: true, run: (round) => damageWhileDown(round, flip) },
  'flip-head': {
    holds: ['collector', 'redis', 'aggregator'],
    alone: true,
    run: (round) => damageWhileDown(round, (bytes, random) => {
      bytes[random.int(0, Math.min(headBytes(bytes), bytes.length) - 1)] ^= 1 << random.int(0, 7)
      return bytes
    }),
  },
  'small-segments': {
    holds: [],
    plan: { collector: { journal_segment: '64k' } },
    run: () => pause(500),
  },
}
