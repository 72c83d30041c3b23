// Every counter in Redis against the model, which is given the hits that the journals hold, each
// once. Only for rounds in which no journal lost anything.

import { COLUMN, expect } from '../model/model.mjs'
import { hitsOf } from './journal.mjs'

const PARTITIONS = 64
const NUMBERED = 'cvbo' // rows named by a number of one byte

// {pN}:day values: version, then pairs of column and zigzag value
function cells(text) {
  const bytes = Buffer.from(text, 'latin1')
  let at = 1
  const number = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  const found = []
  while (at < bytes.length) {
    const column = number()
    const zigzag = number()
    found.push([column, zigzag % 2 ? -(zigzag + 1) / 2 : zigzag / 2])
  }
  return found
}

function rowName(field, pages) {
  const kind = field[0]
  if (field.length === 1) return kind
  if (kind === 'p') return 'p:' + pages.get(field.slice(1))
  if (NUMBERED.includes(kind)) return `${kind}:${field.charCodeAt(1)}`
  return `${kind}:${Buffer.from(field.slice(1), 'latin1')}`
}

const pairs = (list) => Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]])
const dayOf = (key) => Date.parse(key.slice(-8).replace(/(....)(..)(..)/, '$1-$2-$3')) / 86400_000

// "DAY NAME COLUMN" -> sum over the partitions; and page -> id, by which views of one moment stand
async function stored(stack) {
  const sums = new Map()
  const ids = new Map()
  for (let n = 0; n < PARTITIONS; n++) {
    const days = await stack.call('KEYS', `{p${n}}:day:shop:*`)
    if (days.length === 0) continue
    const pages = new Map(pairs(await stack.call('HGETALL', `{p${n}}:pages:shop`)))
    for (const [id, page] of pages) ids.set(page, Buffer.from(id, 'latin1').readBigUInt64LE().toString())
    for (const key of days) {
      for (const [field, value] of pairs(await stack.call('HGETALL', key))) {
        for (const [column, amount] of cells(value)) {
          const name = `${dayOf(key)} ${rowName(field, pages)} ${column}`
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

// Rows made are counted per partition, for its limits.
const ownCount = (name) => {
  const column = Number(name.slice(name.lastIndexOf(' ') + 1))
  return column > COLUMN.live && column < COLUMN.verdict
}

// What differs, as text.
export async function checkBooks(stack) {
  const { sums: is, ids } = await stored(stack)
  const should = modelled(hitsOf(stack.journals), ids)
  const names = [...new Set([...is.keys(), ...should.keys()])].filter((name) => !ownCount(name))
  return names.filter((name) => (is.get(name) ?? 0) !== (should.get(name) ?? 0)).map((name) => `${name}: ${is.get(name) ?? 0}, by the model ${should.get(name) ?? 0}`)
}
