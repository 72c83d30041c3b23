// Every counter in Redis against the model, which is given the hits that the journals hold, each
// once. Only for rounds in which no journal lost anything.

import { inflateSync } from 'node:zlib'
import { expect, isLimit, stepName } from '../model/model.mjs'
import { hitsOf } from './journal.mjs'

const PARTITIONS = 64
const LIVE_MINUTES = 30
const NUMBERED = 'cvbo' // rows named by a number of one byte

class Reader {
  constructor(bytes, at) {
    Object.assign(this, { bytes, at })
  }

  get more() {
    return this.at < this.bytes.length
  }

  number() {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.at++]
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }

  text() {
    const from = this.number() + this.at
    const text = this.bytes.toString('latin1', this.at, from)
    this.at = from
    return text
  }
}

// A row: version, then pairs of column and zigzag value
function cells(text) {
  const reader = new Reader(Buffer.from(text, 'latin1'), 1)
  const found = []
  while (reader.more) {
    const column = reader.number()
    const zigzag = reader.number()
    found.push([column, zigzag % 2 ? -(zigzag + 1) / 2 : zigzag / 2])
  }
  return found
}

// A packed day: version, length, and the deflated names and rows
function unpacked(text) {
  const head = new Reader(Buffer.from(text, 'latin1'), 1)
  head.number()
  const reader = new Reader(inflateSync(head.bytes.subarray(head.at)), 0)
  const rows = []
  while (reader.more) rows.push([reader.text(), reader.text()])
  return rows
}

function rowName(field, pages) {
  const kind = field[0]
  if (field.length === 1) return kind
  if (kind === 'p') return 'p:' + pages.get(field.slice(1))
  if (kind === 't') return stepName([pages.get(field.slice(1, 9)), pages.get(field.slice(9))])
  if (NUMBERED.includes(kind)) return `${kind}:${field.charCodeAt(1)}`
  return `${kind}:${Buffer.from(field.slice(1), 'latin1')}`
}

const pairs = (list) => Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]])
const dayOf = (key) => Date.parse(key.slice(-8).replace(/(....)(..)(..)/, '$1-$2-$3')) / 86400_000

// Rows that belong to no day: of the last half hour, and the site's interest.
async function dayless(stack, n) {
  const kinds = ['live', 'mix']
  return Promise.all(kinds.map(async (kind) => [kind, pairs(await stack.call('HGETALL', `{p${n}}:${kind}:shop`))]))
}

// "DAY NAME COLUMN" -> sum over the partitions; and page -> id, by which views of one moment stand
async function stored(stack) {
  const sums = new Map()
  const ids = new Map()
  for (let n = 0; n < PARTITIONS; n++) {
    const open = await stack.call('KEYS', `{p${n}}:day:shop:*`)
    const months = await stack.call('KEYS', `{p${n}}:month:shop:*`)
    const days = []
    for (const key of open) days.push([dayOf(key), pairs(await stack.call('HGETALL', key))])
    for (const key of months) {
      for (const [day, packed] of pairs(await stack.call('HGETALL', key))) days.push([dayOf(key + day), unpacked(packed)])
    }
    if (days.length === 0) continue
    days.push(...(await dayless(stack, n)))
    const pages = new Map(pairs(await stack.call('HGETALL', `{p${n}}:pages:shop`)))
    for (const [id, page] of pages) ids.set(page, Buffer.from(id, 'latin1').readBigUInt64LE().toString())
    for (const [day, rows] of days) {
      for (const [field, value] of rows) {
        for (const [column, amount] of cells(value)) {
          const name = `${day} ${rowName(field, pages)} ${column}`
          sums.set(name, (sums.get(name) ?? 0) + amount)
        }
      }
    }
  }
  return { sums, ids }
}

function modelled(hits, ids) {
  const sums = new Map()
  const known = hits.map((hit) => ({ ...hit, page_id: ids.get(hit.page) ?? '0' }))
  for (const [key, value] of expect(known).rows) {
    const [, day, name, column] = JSON.parse(key)
    sums.set(`${day} ${name} ${column}`, value)
  }
  return sums
}

// What each partition has of its own: rows made, for its limits; minutes that only the partitions
// without a newer hit still know.
function ofPartitions(newestMs) {
  const kept = Math.floor(newestMs / 60_000) - LIVE_MINUTES
  return (name) => {
    const column = Number(name.slice(name.lastIndexOf(' ') + 1))
    if (name.startsWith('live ')) return column <= kept
    return isLimit(column)
  }
}

// The fold rounds the weight of each visit.
const same = (name, is, should) => (name.startsWith('mix ') ? Math.abs(is - should) <= 50 + should / 10_000 : is === should)

// What differs, as text.
export async function checkBooks(stack) {
  const { sums: is, ids } = await stored(stack)
  const hits = hitsOf(stack.journals)
  const should = modelled(hits, ids)
  const own = ofPartitions(hits.reduce((newest, hit) => (hit.imported || !(hit.at > newest) ? newest : hit.at), 0))
  const names = [...new Set([...is.keys(), ...should.keys()])].filter((name) => !own(name))
  return names.filter((name) => !same(name, is.get(name) ?? 0, should.get(name) ?? 0)).map((name) => `${name}: ${is.get(name) ?? 0}, by the model ${should.get(name) ?? 0}`)
}
