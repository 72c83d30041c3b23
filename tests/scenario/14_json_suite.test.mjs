// Bodies that others have collected to break parsers: JSON that is and is not, strings that are
// trouble elsewhere, gzip in two members. What is taken must come out as it went in; what is not,
// must be refused, each time alike.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { ORIGIN, newId, scenario, view } from './world.mjs'

const SUITES = resolve(dirname(fileURLToPath(import.meta.url)), '../../../shared/suites')
const SITES = { shop: { origins: ORIGIN, keep_params: 'q' } }

const options = { sites: SITES, collector: { body_max: '1M', beacon_max_hits: 10000 } }

// A scenario on files of a suite; says so when they are not there.
function suite(path, name, body) {
  if (existsSync(join(SUITES, path))) scenario(name, options, body)
  else console.log(`skipped ${path}: ../shared/suites is not there`)
}

// JSON by its grammar, but not for us.
const NOT_TAKEN = {
  'y_object_duplicated_key.json': 'the same key twice: which one was meant?',
  'y_object_duplicated_key_and_value.json': 'the same key twice',
  'y_object_escaped_null_in_key.json': 'a NUL in a text',
  'y_string_null_escape.json': 'a NUL in a text',
}

const refusals = ({ status, body }) => {
  assert.equal(status, 400)
  return JSON.parse(body)
}

suite('json-nst', 'JSON suite: JSON is read, what is none is refused and never stored', async (world) => {
  const dir = join(SUITES, 'json-nst/test_parsing')
  const names = readdirSync(dir)
  assert.equal(names.length, 318)
  let stored = 0
  let refused = 0
  // As a body, each is no hit; behind a key that nobody knows, it decides whether the hit is read.
  const inHit = (json) => Buffer.concat([Buffer.from(`{"s":"shop","k":"pv","u":"${ORIGIN}/json","p":"${newId()}","zz":`), json, Buffer.from('}')])
  for (const name of names) {
    const json = readFileSync(join(dir, name))
    const answers = []
    for (const body of [json, json, inHit(json), inHit(json)]) answers.push(await world.post(body, { 'Content-Type': 'application/json' }))
    const [bare, again, first, second] = answers.map(({ status, body }) => `${status} ${body}`)
    assert.equal(bare, again, name)
    assert.equal(first, second, name)
    const taken = answers[2].status === 204
    assert.equal(refusals(answers[0]).taken, 0, name)
    if (taken) stored += 2
    else assert.equal(refusals(answers[2]).refused[0].why, 'bad_json', name)
    refused += 2 * refusals(answers[0]).refused_count + (taken ? 0 : 2)
    if (!name.startsWith('i_')) assert.equal(taken, name.startsWith('y_') && !(name in NOT_TAKEN), name)
  }
  assert.equal((await world.request({ path: '/healthz' })).status, 200)
  await world.settled({ received: stored + refused })
  const { totals, ledger } = await world.report()
  assert.deepEqual([totals.views, ledger.counted], [stored, stored])
})

const MASKS = ['(email)', '(token)', '(number)']
const unmasked = (text) => MASKS.every((mask) => !text.includes(mask))

// What tells a string that may be masked from one that never is.
const mayBeMasked = (text) => /@|\d.*\d.*\d.*\d.*\d.*\d.*\d.*\d.*\d.*\d|[0-9A-Za-z]{16}/.test(text)

function assertRoundTrip(taken, found, what) {
  const known = new Set(taken)
  for (const text of found.filter(unmasked)) assert.ok(known.has(text), `${what} nobody sent: ${JSON.stringify(text)}`)
  const seen = new Set(found)
  for (const text of taken) assert.ok(seen.has(text) || mayBeMasked(text), `${what} lost: ${JSON.stringify(text)}`)
}

function assertClearRefusal(answer, text) {
  const { taken, refused } = refusals(answer)
  assert.equal(taken, 0)
  assert.match(refused[0].why, /^(bad_query|bad_utf8|too_long|bad_page)$/, JSON.stringify(text))
}

const blns = () => JSON.parse(readFileSync(join(SUITES, 'blns/blns.json'), 'utf8'))

// A name ends where its properties begin.
const nameOf = (text) => text.split('?')[0] || 'nameless'

suite('blns', 'naughty strings as names and properties of events come out as they went in', async (world) => {
  const strings = blns()
  const taken = []
  for (const text of strings) {
    const opened = view('/events')
    const event = { ...opened, k: 'ev', m: nameOf(text) }
    assert.equal((await world.beacon([opened])).status, 204)
    const asLine = await world.beacon([{ ...event, n: 1, m: `${event.m}?said=${encodeURIComponent(text)}` }])
    const asJson = await world.post(JSON.stringify({ ...event, n: 2, properties: { said: text } }), { 'Content-Type': 'application/json' })
    assert.equal(asLine.status, asJson.status, JSON.stringify(text))
    if (asLine.status === 204) taken.push(text)
    else assertClearRefusal(asLine, text)
  }
  assert.ok(taken.length > strings.length / 2, `${taken.length} of ${strings.length} were taken`)
  await world.settled({ received: 3 * strings.length })
  const { totals, events, properties } = await world.report()
  assert.equal(totals.events, 2 * taken.length)
  const sum = (list) => list.reduce((all, { count }) => all + count, 0)
  assert.deepEqual([sum(events), sum(properties)], [2 * taken.length, 2 * taken.length])
  assertRoundTrip(taken.map(nameOf), events.map(({ name }) => name), 'an event')
  assertRoundTrip(taken, properties.map(({ value }) => value), 'a property')
  assert.ok(properties.every(({ key, share }) => key === 'said' && share > 0 && share <= 1))
  console.log(`blns as events: ${taken.length} of ${strings.length} taken`)
})

suite('blns', 'naughty strings as a parameter of the page come out as they went in', async (world) => {
  const strings = blns()
  const taken = []
  for (const text of strings) {
    const answer = await world.beacon([view('/find?q=' + encodeURIComponent(text))])
    if (answer.status === 204) taken.push(text)
    else assertClearRefusal(answer, text)
  }
  assert.ok(taken.length > strings.length / 2, `${taken.length} of ${strings.length} were taken`)
  await world.settled({ received: strings.length })
  const { totals, pages } = await world.report()
  assert.equal(totals.views, taken.length)
  const found = pages.map(({ page }) => decodeURIComponent(page.replace(/^shop\.example\/find\?q=/, '')))
  assertRoundTrip(taken, found, 'a parameter')
  console.log(`blns as parameters: ${taken.length} of ${strings.length} taken`)
})

suite('gzip-odd', 'gzip in two members is read to its end, whatever its headers say', async (world) => {
  const log = readFileSync(join(SUITES, 'gzip-odd/multi-member.log.gz'))
  const text = gunzipSync(log)
  assert.equal(text.length, 6320)
  const lines = text.toString().split('\n').filter(Boolean).length
  const hits = Array.from({ length: 5 }, (_, i) => '' + new URLSearchParams(view(`/gzip${i}`)))
  const odd = Buffer.concat([gzipSync(hits.slice(0, 2).join('\n') + '\n'), gzipSync(hits.slice(2).join('\n'))])
  for (const headers of [{}, { 'Content-Encoding': 'gzip' }]) {
    assert.equal(refusals(await world.post(log, headers)).refused_count, lines)
    assert.equal((await world.post(odd, headers)).status, 204)
    assert.equal((await world.post(odd.subarray(0, -5), headers)).status, 400, 'cut off')
  }
  await world.settled({ received: 2 * (lines + 5) })
  const { totals, pages } = await world.report()
  assert.deepEqual([totals.views, pages.length], [5, 5], 'the second time they are duplicates')
})
