// Which links came into view, as the collector has it, beside what was really to be seen.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '../faults/random.mjs'
import { eventually } from '../scenario/eventually.mjs'
import { run } from '../scenario/process.mjs'
import { World, program } from '../scenario/world.mjs'
import { WATCH, gallery, readAll, seenPages, wander } from './gallery.mjs'
import { startHost } from './host.mjs'
import { Screen } from './screen.mjs'

const SEED = Number(process.env.SENTIER_SEED || 1) * 1000

// Pageview n is the page n, with links and walk of its own. What was seen of each, by the page itself.
async function look(screen, host, numbers, walkOf) {
  const tab = await (await screen.launch()).newPage()
  const seen = []
  for (const n of numbers) {
    await tab.goto(`${host.url}/g/${n}`)
    await tab.waitForFunction(() => performance.getEntriesByType('resource').some(({ name }) => name.includes('/b?'))) // it is at work
    const steps = await tab.evaluate((list) => window.walk(list), walkOf(new Random(n)))
    seen.push({ page: `${host.name}/g/${n}`, steps, ...seenPages(steps) })
    await tab.goto('about:blank')
  }
  return seen
}

// How much of a link was in view, step by step.
const told = (steps, link) => `${link}: ${steps.map(({ at, seen }) => `${Math.round(at)} ms ${(seen['http://' + link] ?? 0).toFixed(2)}`).join(', ')}`

// Of a page, by what was in view and by the links that were reported.
function compare({ steps, must, may }, links) {
  const reported = links.filter((link) => link.includes('/p/'))
  const there = new Set(reported)
  const tell = (list) => list.map((link) => told(steps, link))
  const missed = tell([...must].filter((link) => !there.has(link)))
  const wrong = tell([...there].filter((link) => !may.has(link)))
  return { many: must.size, missed, wrong, twice: reported.length - there.size }
}

// {PAGE: links seen there}, as the journal has them.
async function journaled(world) {
  const dir = join(world.data, 'journal')
  const segments = readdirSync(dir).filter((name) => name.endsWith('.seg'))
  const { code, out, err } = await run(program('sentier-journal'), ['dump', ...segments.map((name) => join(dir, name))])
  assert.equal(code, 0, err)
  const links = {}
  for (const line of out.split('\n').filter(Boolean)) {
    const hit = JSON.parse(line)
    if (hit.kind === 'seen') (links[hit.page] ??= []).push(...hit.links)
  }
  return links
}

test('the links that were seen are those that were in view', { timeout: 240_000 }, async (t) => {
  let world
  const tracker = () => `<script async src="/s.js" data-site="shop" data-endpoint="http://127.0.0.1:${world.port}/b"></script>`
  const pageOf = (n) => gallery(new Random(n), WATCH + tracker(), n === SEED ? 3 : 1)
  const host = await startHost((path) => (path.startsWith('/g/') ? pageOf(+path.slice(3)) : ''))
  world = await World.lay({ sites: { shop: { origins: host.url } } })
  const screens = []
  try {
    await world.startAll()
    for (let i = 0; i < 4; i++) screens.push(await Screen.open())
    const some = (i) => look(screens[i], host, [SEED + i, SEED + 10 + i], (random) => wander(random, 5))
    const pages = (await Promise.all([look(screens[0], host, [SEED], () => readAll(11)), some(1), some(2), some(3)])).flat()
    let all
    const arrived = async () => {
      const links = await journaled(world)
      all = pages.map((page) => compare(page, links[page.page] ?? []))
      return all.every(({ missed }) => missed.length === 0)
    }
    await eventually('all has arrived', arrived, 60_000).catch(() => {})

    const many = all.reduce((sum, one) => sum + one.many, 0)
    const [missed, wrong] = [all.flatMap((one) => one.missed), all.flatMap((one) => one.wrong)]
    t.diagnostic(`${many} links seen on ${all.length} pages, ${missed.length} missed, ${wrong.length} others reported`)
    assert.ok(many > 150)
    assert.deepEqual(wrong, [], 'what nobody saw')
    assert.deepEqual(all.filter(({ twice }) => twice > 0), [], 'nothing twice')
    assert.ok(missed.length <= many / 100, `missed:\n${missed.join('\n')}`)
  } finally {
    for (const screen of screens) await screen.close()
    assert.deepEqual(await world.end(), [])
    await host.close()
  }
})
