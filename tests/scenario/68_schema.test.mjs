// Every document that programs publish, and every one that commands print, has a JSON Schema in
// aggregator/schema: it says all fields that there are, and what it says of them is so. Schemas leave
// room for new fields, as the documents promise; here there is none.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import Ajv from 'ajv/dist/2020.js'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { ORIGIN, program, scenario, view } from './world.mjs'

const FOLDER = resolve(dirname(fileURLToPath(import.meta.url)), '../../aggregator/schema')
const schemas = new Map(readdirSync(FOLDER).map((file) => [file.replace('.json', ''), JSON.parse(readFileSync(join(FOLDER, file), 'utf8'))]))

// The same, but every object has the fields that are named and no others.
function closed(schema) {
  if (schema === null || typeof schema !== 'object') return schema
  if (Array.isArray(schema)) return schema.map(closed)
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
  return schema.properties && schema.additionalProperties === undefined ? { ...copy, additionalProperties: false } : copy
}

const ajv = new Ajv({ strict: true, allErrors: true })
const checks = new Map([...schemas].map(([name, schema]) => [name, ajv.compile(closed(schema))]))

function check(name, document) {
  const validate = checks.get(name)
  assert.ok(validate, `aggregator/schema/${name}.json is there`)
  assert.ok(validate(document), `${name}: ${ajv.errorsText(validate.errors, { separator: '\n' })}`)
  // A check that lets everything pass would be none.
  for (const field of schemas.get(name).required) {
    const { [field]: left, ...rest } = document
    assert.equal(validate(rest), false, `${name} without ${field}`)
    assert.equal(validate({ ...document, [field]: { no: 'such thing' } }), false, `${name} with another ${field}`)
  }
  assert.equal(validate({ ...document, unheard_of: 1 }), false)
  return document
}

async function ask(world, ...args) {
  const { code, out, err } = await run(program('sentier-report'), [...args, '--conf', world.conf, '--site', 'shop', '--format', 'json'])
  assert.equal(code, 0, err)
  return JSON.parse(out)
}

// One of everything, so that no list of a document is empty.
async function visit(world) {
  const sitemap = join(world.top, 'sitemap.xml')
  const pages = ['/', '/a', '/b', '/never'].map((path) => `<url><loc>https://shop.example${path}</loc><lastmod>2026-01-02</lastmod></url>`)
  writeFileSync(sitemap, `<urlset>${pages.join('')}</urlset>`)
  const did = await run(program('sentier-sitemap'), ['--site', 'shop', '--conf', world.conf, sitemap])
  assert.equal(did.code, 0, did.err)
  const HOUR = 3600_000
  const person = (n, ago) => {
    const who = { c: 1, v: (1000 + n).toString(36) }
    const open = (path, at, more = {}) => view(path, { ...who, a: at, b: at, ...more })
    const [home, a] = [open('/', ago, { r: 'https://news.example/story' }), open('/a', ago - 60_000)]
    const then = (of, k, number, more) => ({ ...of, r: undefined, k, n: number, a: Math.max(of.b - 20_000, 0), ...more })
    return [
      home, then(home, 'ln', 1, { l: ['/a', '/b', '/menu', 'https://other.example/'] }), then(home, 'sn', 2, { l: ['/a', '/b', '*menu'] }), then(home, 'pu', 3, { e: 12_000, d: 80, E: 2 }),
      then(home, 'mt', 4, { T: 'Home', S: 'shop', L: 'en', y: 'run' }), a, then(a, 'ck', 1, { t: '/b' }), then(a, 'ev', 2, { m: 'signup?plan=pro', g: 1 }), then(a, 'ct', 3, { m: 'menu' }),
      then(a, 'pc', 4, { V: 1999, C: 'EUR' }), then(a, 'ol', 5, { t: 'https://other.example/x' }), then(a, 'dl', 6, { t: 'https://shop.example/a.pdf' }),
      open('/b?q=red', ago - 120_000), open('/gone', ago - 180_000, { x: 404 }),
    ].map((hit) => Object.fromEntries(Object.entries(hit).filter(([, value]) => value !== undefined)))
  }
  let sent = 0
  for (const ago of [60 * HOUR, 40 * HOUR, 0.2 * HOUR]) {
    for (let n = 0; n < 6; n++) {
      const hits = person(n, ago)
      const { status, body } = await world.beacon(hits)
      assert.equal(status, 204, body)
      sent += hits.length
    }
  }
  await world.beacon([view('/a', { w: 1 })]) // a bot
  return sent + 1
}

const SITES = { shop: { origins: ORIGIN, topics: '/never run', search_params: 'q' } }

scenario('documents are what their schemas say', { sites: SITES, aggregator: { summary_ms: 50 } }, async (world) => {
  const sent = await visit(world)
  await world.settled({ received: sent + 4 + 1 }) // four pages of the sitemap, and what ends its list
  const { pages } = await ask(world, 'report', 'pages')
  assert.ok(pages.length >= 4)

  const published = await eventually('documents of the newest state', async () => {
    const keys = await world.redisCall('KEYS', 'sentier:v1:*')
    const documents = await Promise.all(keys.map(async (key) => [key.split(':')[2], JSON.parse(Buffer.from(await world.redisCall('GET', key), 'latin1'))]))
    const named = documents.map(([name]) => name)
    for (const name of ['summary', 'verdicts', 'segments', 'topics']) assert.ok(named.includes(name), name)
    for (const [name, document] of documents) if (document.ledger) assert.equal(document.range === 'today' || document.ledger.counted >= sent, true, name)
    return documents
  })
  for (const [name, document] of published) check(name, document)

  const lists = ['pages', 'entries', 'exits', 'errors', 'transitions', 'channels', 'sources', 'countries', 'devices', 'browsers', 'systems', 'bots', 'outbound', 'downloads', 'events', 'properties', 'controls', 'searches', 'purchases', 'days']
  const summary = published.find(([name, { range }]) => name === 'summary' && range === '28d')[1]
  for (const list of lists) assert.ok(summary[list].length > 0, `${list} has something to check`)
  assert.ok(published.some(([, { live }]) => live?.views_30m > 0))

  check('summary', await ask(world, 'report', 'transitions'))
  check('verdicts', await ask(world, 'report', 'verdicts'))
  check('decay', await ask(world, 'report', 'decay', '--last', '1d'))
  check('topics', await ask(world, 'report', 'topics'))
  const profile = check('profile', await ask(world, 'profile', (1000).toString(36)))
  for (const list of ['interests', 'pages', 'ignored', 'undiscovered']) assert.ok(profile[list].length > 0, `${list} has something to check`)
  check('live', await ask(world, 'report', 'live'))
  check('segments', await ask(world, 'report', 'segments'))
  check('links', await ask(world, 'report', 'links'))
  const links = check('links', await ask(world, 'report', 'links', '--page', 'shop.example/a'))
  assert.deepEqual(links.linked_from.map((one) => one.page), ['shop.example/'])
  const ignorers = check('ignorers', await ask(world, 'report', 'ignorers', '--page', 'shop.example/gone'))
  assert.equal(ignorers.persons.length, 6)
  const { customers } = check('customers', await ask(world, 'customers'))
  assert.equal(customers.length, 6)
  for (const { id } of customers) check('profile', await ask(world, 'profile', id))
})
