// The link graph: what pages tell of their links, by whoever saw them, becomes one graph of the site;
// bots tell nothing; and an aggregator that is killed loses none of it.

import assert from 'node:assert/strict'
import { run } from './process.mjs'
import { ORIGIN, newId, program, scenario } from './world.mjs'

const SPREAD = { sites: { shop: { origins: ORIGIN, time_zone: 'UTC', spread: 8 } } }
const MENU = ['/', '/menu', '/about']

const report = async (world, ...more) => {
  const did = await run(program('sentier-report'), ['report', 'links', '--conf', world.conf, ...(more.includes('--site') ? [] : ['--site', 'shop']), ...more])
  return { ...did, json: () => JSON.parse(did.out) }
}

// A page as one visitor's browser tells it.
const told = (path, links, more = {}) => {
  const base = { s: 'shop', u: ORIGIN + path, p: newId(), a: 0, b: 0, c: 1, v: newId(), ...more }
  return [{ ...base, k: 'pv', n: 0 }, { ...base, k: 'ln', n: 1, l: links }, { ...base, k: 'sn', n: 2, l: links.slice(0, 1) }]
}

scenario('all partitions of a site make one graph', SPREAD, async (world) => {
  for (let visitor = 0; visitor < 6; visitor++)
    for (const path of ['/a', '/b', '/c'])
      assert.equal((await world.beacon(told(path, [...MENU, `/only${path}`, 'https://other.example/']))).status, 204)
  await world.aggregator.kill9()
  assert.equal((await world.beacon(told('/d', ['/menu'], { c: 0 }))).status, 204) // cookieless
  assert.equal((await world.beacon(told('/bot', ['/trap'], { w: 1 }))).status, 204)
  await world.aggregator.start()
  await world.settled({ received: 20 * 3 })

  const { links, pages_with_links, approximate } = (await report(world, '--format', 'json')).json()
  assert.deepEqual([pages_with_links, approximate], [4, false])
  const figures = Object.fromEntries(links.map((one) => [one.page.replace('shop.example', ''), [one.kind, one.linked_from, one.exposures]]))
  assert.deepEqual(figures, {
    '/': ['navigation', 3, 18], '/menu': ['navigation', 4, 1], '/about': ['navigation', 3, 0],
    '/only/a': ['content', 1, 0], '/only/b': ['content', 1, 0], '/only/c': ['content', 1, 0],
  })
  const about = (await report(world, '--page', 'shop.example/menu', '--format', 'json')).json()
  assert.deepEqual(about.linked_from.map((one) => one.page.slice(12)).sort(), ['/a', '/b', '/c', '/d'])
  assert.match(about.linked_from[0].last_day, /^20\d\d-\d\d-\d\d$/)

  const table = await report(world, '--page', 'shop.example/menu')
  assert.match(table.out, /shop\.example\/menu: navigation, linked from 4 pages, seen 1 times, clicked 0 times/)
  const csv = await report(world, '--format', 'csv', '--limit', '1')
  assert.deepEqual(csv.out.trim().split(/\r?\n/), ['page,kind,linked_from,exposures,clicks,views', 'shop.example/,navigation,3,18,0,0'])
  const none = await report(world, '--page', 'shop.example/nowhere')
  assert.equal(none.code, 2)
  assert.match(none.err, /no page of the site links to/)
})

scenario('what a page says of itself: the latest stays', SPREAD, async (world) => {
  const say = (a, more) => [...told('/b', ['/a'], { a, b: a }), { s: 'shop', k: 'mt', u: ORIGIN + '/a', a, b: a, c: 1, v: newId(), ...more }]
  const last = { T: 'Running shoes', S: 'Sport', L: 'en', D: '2026-01-31', t: '/shoes', y: ['run', '40:sport'] }
  for (const [age, more] of [[5000, { T: 'Old' }], [100, last], [60_000, { T: 'Older' }]])
    assert.equal((await world.beacon(say(age, more))).status, 204)
  assert.equal((await world.beacon(say(0, { T: 'Cheap pills', w: 1 }))).status, 204) // a bot
  await world.settled({ received: 16 })
  const { about } = (await report(world, '--page', 'shop.example/a', '--format', 'json')).json()
  assert.deepEqual(about, {
    title: 'Running shoes', section: 'Sport', language: 'en', canonical: 'shop.example/shoes', published: '2026-01-31',
    topics: [{ topic: 'run', weight: 100 }, { topic: 'sport', weight: 40 }],
  })
  assert.match((await report(world, '--page', 'shop.example/a')).out, /Title: Running shoes\nSection: Sport\nLanguage: en\nPublished: 2026-01-31\n/)
})

scenario('a page that has more links than it tells, or than a hit holds, says so', { sites: { shop: { origins: ORIGIN }, long: { origins: ORIGIN } } }, async (world) => {
  const many = Array.from({ length: 65 }, (_, i) => `/n${i}`).join('\n')
  assert.equal((await world.beacon(told('/a', ['/b'], { z: 1 }))).status, 204)
  assert.equal((await world.beacon(told('/a', [many], { s: 'long' }))).status, 204)
  await world.settled({ received: 6 })
  for (const [site, linked] of [['shop', 1], ['long', 64]]) {
    const { links, approximate } = (await report(world, '--site', site, '--limit', '100', '--format', 'json')).json()
    assert.deepEqual([links.filter((one) => one.linked_from > 0).length, approximate], [linked, true])
    assert.match((await report(world, '--site', site)).out, /Not all links are here/)
  }
})
