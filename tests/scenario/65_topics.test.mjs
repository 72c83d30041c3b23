// A small shop with topics, and what a profile says of the one person it is about: its interests,
// the pages it uses, those it ignores and by what evidence, and those it would like but never saw.

import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { ORIGIN, newId, program, scenario } from './world.mjs'

const HOUR = 3600 * 1000
const RULES = '/boots/* boots, 40:outdoor\n  /maps/* Maps, 60:outdoor'
const SHOP = { sites: { shop: { origins: ORIGIN, time_zone: 'UTC', spread: 4, topics: RULES } } }
const MENU = ['/', '/boots', '/maps', '/gift-cards']

// Where the pages lead, and what they say of themselves.
const PAGES = {
  '/': { links: ['/boots/alder', '/journal/frost', '/newsletter'], T: 'Alder & Sons: boots and maps' },
  '/boots': { links: ['/boots/alder', '/boots/birch', '/boots/cedar'] },
  '/boots/alder': { links: ['/boots/care'], T: 'Alder, a boot for wet woods' },
  '/boots/birch': { links: [] },
  '/maps': { links: ['/maps/alps', '/maps/jura'] },
  '/maps/alps': { links: ['/maps/hidden'] },
  '/journal/frost': { links: [], T: 'First frost', S: 'Journal', y: ['30:Boots', 'weather'] },
  '/newsletter': { links: [] },
  '/gift-cards': { links: [] },
}

// One pageview, begun so long ago: what a browser tells of it.
function view(who, ago, path, { engaged = 0, depth = 0, seen = [], to } = {}) {
  const { links, T, S, y } = PAGES[path]
  const base = { s: 'shop', u: ORIGIN + path, c: 1, v: who, p: newId() }
  const hit = (k, n, after, more) => ({ ...base, k, n, a: ago - after, b: ago, ...more })
  const about = { ...(T && { T }), ...(S && { S }), ...(y && { y }) }
  return [
    hit('pv', 0, 0), hit('mt', 1, 1000, about), hit('ln', 2, 1000, { l: [...MENU, ...links] }),
    ...(seen.length > 0 ? [hit('sn', 3, 2000, { l: seen })] : []),
    ...(engaged > 0 ? [hit('pu', 4, engaged, { e: engaged, d: depth })] : []),
    ...(to ? [hit('ck', 5, engaged, { t: to, e: engaged })] : []),
  ]
}

async function visit(world, who, hoursAgo, views) {
  let ago = hoursAgo * HOUR
  let hits = 0
  for (const [path, what] of views) {
    const lines = view(who, ago, path, what)
    assert.equal((await world.beacon(lines)).status, 204)
    hits += lines.length
    ago -= 5 * 60 * 1000
  }
  return hits
}

const ask = async (world, ...args) => {
  const did = await run(program('sentier-report'), [...args, '--conf', world.conf, '--site', 'shop'])
  assert.equal(did.code, 0, did.err)
  return did.out
}

// Its person comes four times on three days. The others like maps.
async function play(world) {
  const ada = newId()
  let hits = 0
  for (const hours of [60, 50, 30, 4])
    hits += await visit(world, ada, hours, [
      ['/', { engaged: 4000, seen: ['/gift-cards', '/boots', '/boots/alder'], to: '/boots' }],
      ['/boots', { engaged: 12_000, seen: ['/boots/alder', '/boots/birch', '/gift-cards'] }],
      ['/boots/alder', { engaged: 90_000, depth: 90 }],
    ])
  hits += await visit(world, ada, 3, [['/boots/birch', { engaged: 40_000 }], ['/journal/frost', { engaged: 30_000 }], ['/newsletter', { engaged: 3000 }]])
  hits += await visit(world, ada, 2, [['/newsletter', { engaged: 2000 }]])
  for (let i = 0; i < 12; i++) {
    const other = newId()
    hits += await visit(world, other, 40 - i, [
      ['/', { engaged: 5000, seen: ['/maps', '/gift-cards', '/boots'] }],
      ['/maps', { engaged: 20_000, seen: ['/maps/alps'] }],
      ['/maps/alps', { engaged: 60_000 }],
      ...(i % 2 === 0 ? [['/gift-cards', { engaged: 15_000 }]] : []),
      ...(i % 3 === 0 ? [['/boots/alder', { engaged: 5000 }], ['/newsletter', { engaged: 20_000 }]] : []),
    ])
  }
  await world.settled({ received: hits })
  return ada
}

const lines = (text) => text.split('\n').map((line) => line.trim().replace(/ +/g, ' '))

scenario('a profile says what interests a person, what it ignores, and what it would like', SHOP, async (world) => {
  const ada = await play(world)
  const profile = JSON.parse(await ask(world, 'profile', ada, '--format', 'json'))
  assert.deepEqual(profile.interests.map((one) => [one.topic, one.visits, one.pages, one.confidence]),
    [['boots', 6, 3, 'fair'], ['outdoor', 5, 2, 'fair'], ['journal', 1, 1, 'low'], ['weather', 1, 1, 'low']])
  const [boots, outdoor] = profile.interests
  assert.ok(boots.lift > 2 && outdoor.lift < 1, `${boots.lift} ${outdoor.lift}`)
  assert.deepEqual(boots.top_pages.map((page) => page.slice(12)), ['/boots/alder', '/boots/birch', '/journal/frost'])
  assert.deepEqual(profile.ignored.map((one) => [one.page, one.why, one.passed, one.tried]),
    [['shop.example/gift-cards', 'passed by', 4, 0], ['shop.example/newsletter', 'left', 0, 2]])
  assert.deepEqual(profile.undiscovered.map((one) => [one.page.slice(12), one.topic, one.rung, one.ways.map((page) => page.slice(12))]), [
    ['/boots/care', 'boots', 'offered', ['/boots/alder']], ['/boots/cedar', 'boots', 'offered', ['/boots']],
    ['/maps/alps', 'outdoor', 'unoffered', []], ['/maps/hidden', 'outdoor', 'unoffered', []], ['/maps/jura', 'outdoor', 'unoffered', []],
  ])

  const text = await ask(world, 'profile', ada);
  for (const line of text.split('\n')) assert.ok([...line].length <= 80, line)
  const said = lines(text)
  for (const line of [`visitor ${ada} of shop (shop.example)`, 'INTERESTS', 'USED PAGES', 'IGNORED PAGES', 'WOULD LIKE, NEVER SAW',
    '/gift-cards', 'opened in 2 visits, each time left within 10 seconds and without a click;', 'linked only from /maps, never opened'])
    assert.ok(said.some((one) => one.includes(line)), `${line} in\n${text}`)
  assert.match(said.join(' '), /in view in 4 visits on \d days, last on 20\d\d-\d\d-\d\d, never opened chance that an average visitor would do the same: [\d.]+%, \(1-0\.\d+\)\^4, as navigation links/)
  assert.ok(said.includes('boots: /boots/alder, /boots/birch, /journal/frost'), text)
  const csv = await ask(world, 'profile', ada, '--format', 'csv')
  assert.match(csv, /^page,interest,interest_share,rung,used,tried,views,engaged_ms,last_day,seen,ignored\r\n/)
  assert.match(csv, /\r\nshop\.example\/gift-cards,0\.000,0\.0000,seen,0,0,0,0,,4,passed by\r\n/)
})

scenario('profiles on request, and the topics of a site', SHOP, async (world) => {
  const ada = await play(world)
  await world.redisCall('RPUSH', 'sentier:v1:profiles', `t-1 shop ${ada}`, 'no token shop x', 't_2 shop nobody', 't3 nosite x', 't4')
  const answer = async (token) => JSON.parse(await eventually(`an answer to ${token}`, () => world.redisCall('GET', `sentier:v1:profile:${token}`)))
  assert.deepEqual(await answer('t4'), { version: 1, error: 'unknown site' })
  assert.deepEqual(await answer('t3'), { version: 1, error: 'unknown site' })
  assert.deepEqual(await answer('t_2'), { version: 1, error: 'unknown person' })
  assert.deepEqual(await answer('t-1'), JSON.parse(await ask(world, 'profile', ada, '--format', 'json')))
  const ttl = await world.redisCall('TTL', 'sentier:v1:profile:t-1')
  assert.ok(ttl > 0 && ttl <= 60, String(ttl))
  assert.equal(await world.redisCall('LLEN', 'sentier:v1:profiles'), 0)

  // The document is what the command prints, as soon as it has caught up.
  const printed = async () => JSON.parse(await ask(world, 'report', 'topics', '--format', 'json'))
  const published = async () => JSON.parse((await world.redisCall('GET', 'sentier:v1:topics:shop')) ?? '{}')
  await eventually('the document of topics', async () => isDeepStrictEqual(await published(), await printed()))
  const { topics, pages, pages_without_topic } = await printed()
  assert.deepEqual(topics.map((one) => [one.topic, one.pages]).sort(), [['boots', 5], ['journal', 1], ['maps', 3], ['outdoor', 7], ['weather', 1]])
  assert.deepEqual([pages, pages_without_topic], [13, 5])
  assert.ok(topics.every((one) => one.interest > 0))
  assert.match(await ask(world, 'report', 'topics'), /5 of 13 pages\s+have no topic/)

  // A changed rule holds for all that ever happened.
  world.sites.shop.topics = '/gift-cards presents'
  world.writeConf()
  world.aggregator.signal('SIGHUP')
  await eventually('the new rule', async () => (await published()).topics?.some((one) => one.topic === 'presents'))
  assert.deepEqual((await printed()).topics.map((one) => one.topic).sort(), ['boots', 'journal', 'presents', 'weather'])

  // One that cannot be read is said to the one who asks, and holds up nobody else.
  await world.redisCall('EVAL', `for _, key in ipairs(redis.call('KEYS', '{p*}:profiles:shop:*')) do
    for _, field in ipairs(redis.call('HKEYS', key)) do redis.call('HSET', key, field, 'x') end end`, '0')
  await world.redisCall('RPUSH', 'sentier:v1:profiles', `d-1 shop ${ada}`, 'd-2 shop nobody')
  assert.deepEqual(await answer('d-2'), { version: 1, error: 'unknown person' })
  assert.deepEqual(await answer('d-1'), { version: 1, error: 'the stored profile is damaged' })

  const refused = await run(program('sentier-report'), ['report', 'topics', '--conf', world.conf, '--site', 'shop', '--last', '7d'])
  assert.deepEqual([refused.code, /topics are those of today/.test(refused.err)], [2, true])
})
