// Stored, then answered: the system calls of a collector under load, in their order. With
// journal_sync_ms = 0 each answer comes after a sync that began when its hit had been written; else
// after the write, and a thread of its own syncs. Many hits share a write and a sync.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mayTrace, readCalls, traceFromNextStart } from '../faults/syscalls.mjs'
import { run } from './process.mjs'
import { AGENT, program, scenario, view } from './world.mjs'

const HITS = 300
const SENDERS = 24
const STRING_BYTES = 1 << 16
const READS = ['read', 'recvfrom', 'readv']
const SENDS = ['sendto', 'writev', 'sendmsg', 'write']
const CALLS = [...READS, ...SENDS, 'openat', 'pwrite64', 'fdatasync', 'fsync', 'close', 'accept4'].join(',')

const PAGE = /\/order\/n(\d+)x/g
const OK = /^HTTP\/1\.1 20[04] /

// What the collector asked of the kernel while so many hits were sent, many at a time.
async function traced(world) {
  const file = join(world.top, 'strace')
  traceFromNextStart(world.collector, file, CALLS, STRING_BYTES)
  await world.collector.start()
  let next = 0
  await Promise.all(Array.from({ length: SENDERS }, async () => {
    while (next < HITS) {
      const n = next++
      const hit = view(`/order/n${n}x`)
      const { status } = n % 2 ? await world.beacon([hit]) : await world.pixel(hit)
      assert.equal(status, n % 2 ? 204 : 200)
    }
  }))
  assert.deepEqual(await world.collector.stop(), [0, null])
  return readCalls(file)
}

const pagesIn = ({ strings }) => [...strings.join('').matchAll(PAGE)].map(([, n]) => Number(n))
const segment = ({ path }) => path?.endsWith('.seg')

// Each 2xx with the hit it is about: a connection asks for one thing at a time.
function answers(calls) {
  const asked = new Map()
  const found = []
  for (const call of calls) {
    const socket = call.path?.startsWith('socket:') && call.path
    if (!socket) continue
    if (READS.includes(call.name) && call.result > 0) {
      const text = (asked.get(socket) ?? '') + call.strings.join('')
      asked.set(socket, text)
    } else if (SENDS.includes(call.name) && OK.test(call.strings.join(''))) {
      const pages = [...decodeURIComponent(asked.get(socket) ?? '').matchAll(PAGE)].map(([, n]) => Number(n))
      asked.delete(socket)
      for (const page of new Set(pages)) found.push({ page, sent: call })
    }
  }
  return found
}

// Page -> the write that stored its hit.
function writes(calls) {
  const stored = new Map()
  for (const call of calls.filter((one) => one.name === 'pwrite64' && segment(one))) {
    assert.ok(call.result > 0)
    for (const page of pagesIn(call)) stored.set(page, call)
  }
  return stored
}

const syncs = (calls) => calls.filter((one) => one.name === 'fdatasync' && segment(one) && one.result === 0)

// Of every answered hit: its answer and its write.
function pairs(calls) {
  const stored = writes(calls)
  const all = answers(calls).map(({ page, sent }) => ({ page, sent, write: stored.get(page) }))
  assert.equal(new Set(all.map(({ page }) => page)).size, HITS, 'every answer is in the trace')
  for (const { page, sent, write } of all) assert.ok(write && write.left < sent.entered, `hit ${page} is written, then answered`)
  return all
}

const skipped = !mayTrace() && (console.log('# skipped: strace may not trace here'), true)
const it = (name, options, body) => skipped || scenario(name, { start: false, collector: { ship_drain_ms: 0, ...options } }, body)

it('with journal_sync_ms = 0 every answer follows the sync of its hit', { journal_sync_ms: 0 }, async (world) => {
  const calls = await traced(world)
  const synced = syncs(calls)
  for (const { page, sent, write } of pairs(calls)) {
    const covered = synced.some((sync) => sync.path === write.path && sync.entered > write.left && sync.left < sent.entered)
    assert.ok(covered, `hit ${page}: write ${write.entered}, answer ${sent.entered}`)
  }
  const grouped = writes(calls)
  const used = new Set(grouped.values()).size
  assert.ok(used < HITS, `${used} writes for ${HITS} hits`)
  assert.ok(synced.length < HITS, `${synced.length} syncs for ${HITS} hits`)
  console.log(`# ${HITS} hits, ${used} writes, ${synced.length} syncs`)
})

it('with journal_sync_ms = 0 the name of a segment is on the disk before its first answer', { journal_sync_ms: 0 }, async (world) => {
  const calls = await traced(world)
  const named = calls.filter((one) => one.name === 'fsync' && one.path === join(world.data, 'journal') && one.result === 0)
  const made = calls.filter((one) => one.name === 'openat' && /O_CREAT/.test(one.args) && one.strings[0].endsWith('.seg'))
  assert.ok(made.length > 0)
  for (const { page, sent, write } of pairs(calls)) {
    const [begun] = made.filter((one) => write.path.endsWith('/' + one.strings[0]))
    assert.ok(named.some((one) => one.entered > begun.left && one.left < sent.entered), `hit ${page}`)
  }
})

it('with a period the answer follows the write, and another thread syncs', { journal_sync_ms: 200 }, async (world) => {
  const calls = await traced(world)
  const all = pairs(calls)
  const writers = new Set(all.map(({ write }) => write.thread))
  const synced = syncs(calls)
  assert.ok(synced.length > 0 && synced.every(({ thread }) => !writers.has(thread)), 'no thread that writes waits for a sync')
  for (const { page, write } of all) {
    assert.ok(synced.some((sync) => sync.path === write.path && sync.entered > write.left), `hit ${page} is synced in the end`)
  }
  assert.ok(synced.length < new Set(all.map(({ write }) => write)).size, 'a sync covers many writes')
})

it('an import is done only when the names of its segments are on the disk', {}, async (world) => {
  const [log, file, journal] = [join(world.top, 'access.log'), join(world.top, 'strace'), join(world.data, 'journal')]
  await world.startAll()
  writeFileSync(log, Array.from({ length: 50 }, (_, n) => `203.0.113.${n} - - [01/Mar/2024:08:00:${10 + n} +0000] "GET /n${n}x HTTP/1.1" 200 512 "-" "${AGENT}"\n`).join(''))
  const command = [program('sentier-import'), '--quiet', '--site', 'shop', '--conf', world.conf, log]
  const how = ['-f', '-y', '--seccomp-bpf', '-o', file, '-e', 'trace=rename,renameat,renameat2,fsync', '-E', 'ASAN_OPTIONS=detect_leaks=0:exitcode=99']
  const { code, err } = await run('strace', [...how, ...command])
  assert.equal(code, 0, err)
  const calls = await readCalls(file)
  const renamed = calls.filter((one) => /^rename/.test(one.name) && one.strings.at(-1).startsWith(journal) && one.result === 0)
  assert.ok(renamed.length > 0)
  const named = calls.filter((one) => one.name === 'fsync' && one.path === journal && one.result === 0)
  assert.ok(named.some((sync) => sync.entered > renamed.at(-1).left), 'the directory is synced behind the last rename')
})
