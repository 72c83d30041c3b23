// Hosts beyond ASCII: a sitemap and a log write the name as it reads, a browser in punycode, links
// either way. All of them are one page.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './process.mjs'
import { AGENT, newId, program, scenario } from './world.mjs'

const HOST = 'xn--bcher-kva.example'
const BROWSER = { Origin: `https://${HOST}` }

const file = (world, name, text) => {
  const path = join(world.top, name)
  writeFileSync(path, text)
  return path
}

async function ran(world, name, ...args) {
  const { code, out, err } = await run(program(`sentier-${name}`), [...args, '--conf', world.conf, '--site', 'shop'])
  assert.equal(code, 0, out + err)
  return out
}
const report = async (world, ...args) => JSON.parse(await ran(world, 'report', 'report', ...args, '--last', '2d', '--format', 'json'))

scenario('sitemap, log, browser and link meet on one page', { sites: { shop: { origins: 'https://bücher.example' } } }, async (world) => {
  const sitemap = ['https://bücher.example/straße', 'https://BÜCHER.example/stra%C3%9Fe', 'https://bu\u0308cher.example/', 'https://anders.example/']
  await ran(world, 'sitemap', file(world, 'sitemap.txt', sitemap.join('\n')))
  const hit = { s: 'shop', p: newId(), n: 0, a: 5000, b: 5000 }
  const { status, body } = await world.beacon([
    { ...hit, u: `https://${HOST}/` },
    { ...hit, k: 'ln', n: 1, u: `https://${HOST}/`, l: ['https://bücher.example/straße', '/straße', `https://${HOST}/stra%C3%9Fe`, 'https://anders.example/'] },
    { ...hit, k: 'ck', n: 2, u: `https://${HOST}/`, t: 'https://Bücher.example/straße' },
    { ...hit, a: 0, b: 0, p: newId(), u: `https://${HOST}/stra%C3%9Fe`, r: 'https://bücher.example/' },
  ], BROWSER)
  assert.equal(status, 204, '' + body)
  const yesterday = new Date(Date.now() - 86400_000).toUTCString().split(' ')
  const log = `bücher.example 203.0.113.7 - - [${yesterday[1]}/${yesterday[2]}/${yesterday[3]}:10:00:00 +0000] "GET /stra%C3%9Fe HTTP/1.1" 200 5 "-" "${AGENT}"\n`
  assert.match(await ran(world, 'import', file(world, 'access.log', log)), /pages +1 /)
  await world.settled({ received: 4 + 3 + 1 }) // a catalogue's end is one, too

  const { pages } = await report(world, 'verdicts')
  const verdicts = Object.fromEntries(pages.map(({ page, views, sitemap }) => [page, { views, listed: sitemap?.listed }]))
  assert.deepEqual(verdicts, { [`${HOST}/`]: { views: 1, listed: true }, [`${HOST}/straße`]: { views: 2, listed: true } })
  const { links } = await report(world, 'links')
  assert.deepEqual(links.map(({ page, linked_from, clicks }) => [page, linked_from, clicks]), [[`${HOST}/straße`, 1, 1]])
  const { channels } = await report(world, 'channels')
  assert.deepEqual(channels.filter(({ views }) => views > 0).map(({ channel }) => channel), ['Direct'], 'no referral from elsewhere')
})
