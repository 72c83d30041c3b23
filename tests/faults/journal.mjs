// Journal segments, read by the description of their format alone, and damaged.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from './crc32.mjs'

const HEAD_BYTES = 64
const RECORD_HEAD_BYTES = 32
const MAGIC = Buffer.from('SNTR')
const KINDS = ['', 'pageview', 'pulse', 'outbound', 'download', 'event', 'tally', 'catalogue', 'catalogue_end', 'links', 'seen']
const LIST = 40
const FIELDS = {
  1: 'kind', 2: 'site', 3: 'at', 4: 'day', 5: 'visitor', 6: 'visitor_kind', 7: 'pageview', 8: 'number', 9: 'page', 10: 'status', 11: 'channel',
  12: 'source', 14: 'country', 15: 'device', 16: 'browser', 17: 'os', 18: 'bot', 19: 'engaged', 21: 'target', 22: 'name', 23: 'flags', 24: 'verdict', 25: 'n', 28: 'errors',
}

function varint(bytes, at) {
  let value = 0n
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[at++]
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return [Number(value), at]
  }
}

// The texts of a list, each behind its length.
function texts(bytes) {
  const all = []
  for (let at = 0, n; at < bytes.length; at += n) {
    ;[n, at] = varint(bytes, at)
    all.push(bytes.toString('utf8', at, at + n))
  }
  return all
}

function decodeHit(bytes) {
  const hit = {}
  let list = Buffer.alloc(0)
  let at = 1
  while (at < bytes.length) {
    let tag, value
    ;[tag, at] = varint(bytes, at)
    if ((tag & 3) === 0) {
      ;[value, at] = varint(bytes, at)
    } else if ((tag & 3) === 1) {
      value = bytes.readBigUInt64LE(at).toString()
      at += 8
    } else {
      let n
      ;[n, at] = varint(bytes, at)
      if (tag >> 2 === LIST) list = bytes.subarray(at, at + n)
      value = bytes.toString('utf8', at, at + n)
      at += n
    }
    const name = FIELDS[tag >> 2]
    if (name) hit[name] = value
  }
  const flags = hit.flags ?? 0
  return { ...hit, kind: KINDS[hit.kind], ...listOf(KINDS[hit.kind], list), consented: hit.visitor_kind === 2, interaction: (flags & 1) === 1, imported: (flags & 2) === 2, goal: (flags & 4) === 4 }
}

function listOf(kind, list) {
  if (kind === 'seen') {
    const [left_out, at] = varint(list, 0)
    const entries = texts(list.subarray(at))
    return { left_out, links: entries.filter((text) => text[0] !== '*'), controls: entries.filter((text) => text[0] === '*').map((text) => text.slice(1)) }
  }
  if (kind !== 'event') return {}
  const parts = texts(list)
  return { properties: Object.fromEntries(Array.from({ length: parts.length / 2 }, (_, i) => [parts[2 * i], parts[2 * i + 1]])) }
}

// The record at `at`, or undefined where there is no valid one.
function recordAt(bytes, at) {
  if (at + RECORD_HEAD_BYTES > bytes.length || !bytes.subarray(at, at + 4).equals(MAGIC)) return
  const end = at + RECORD_HEAD_BYTES + bytes.readUInt32LE(at + 4)
  if (end > bytes.length) return
  const crc = crc32(bytes.subarray(at + 12, end), crc32(bytes.subarray(at, at + 8)))
  if (crc !== bytes.readUInt32LE(at + 8)) return
  return { at, end, weight: bytes.readUInt32LE(at + 12), seq: bytes.readBigUInt64LE(at + 16), partition: bytes.readUInt16LE(at + 24), payload: bytes.subarray(at + RECORD_HEAD_BYTES, end) }
}

// The valid records of a segment's bytes, each with its place and its hit.
export function records(bytes) {
  const found = []
  if (bytes.length < HEAD_BYTES) return found
  let at = bytes.readUInt32LE(56)
  while (at >= 0 && at < bytes.length) {
    const record = recordAt(bytes, at)
    if (record) found.push({ ...record, hit: decodeHit(record.payload) })
    at = record ? record.end : bytes.indexOf(MAGIC, at + 1)
  }
  return found
}

export const headBytes = (bytes) => (bytes.length < HEAD_BYTES ? bytes.length : bytes.readUInt32LE(56))

export function segments(data) {
  const dir = join(data, 'journal')
  if (!existsSync(dir)) return []
  return readdirSync(dir).filter((name) => name.endsWith('.seg')).sort().map((name) => join(dir, name))
}

// Every hit of these data directories once: by producer and sequence number, as Redis tells them apart.
export function hitsOf(directories) {
  const hits = new Map()
  for (const file of directories.flatMap(segments)) {
    const producer = file.slice(-'HHHHHHHHHHHHHHHH.seg'.length - 33, -'HHHHHHHHHHHHHHHH.seg'.length)
    for (const { seq, hit } of records(readFileSync(file))) hits.set(producer + seq, hit)
  }
  return [...hits.values()]
}

// Damages a file and says which hits its damaged records held, and whether something intact follows.
export function damage(file, change) {
  const before = readFileSync(file)
  const after = change(Buffer.from(before))
  writeFileSync(file, after)
  const kept = new Set(records(after).map(({ seq }) => seq))
  const all = records(before)
  const lost = all.filter(({ seq }) => !kept.has(seq))
  return { lost: lost.map(({ hit }) => hit), inside: lost.some(({ seq }) => all.some((other) => other.seq > seq && kept.has(other.seq))) }
}
