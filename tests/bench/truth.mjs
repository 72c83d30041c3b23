// 200 visits of real browsers whose engaged time is known, and what the report says of them: pageviews lost, counted
// twice, and by how much engaged time is wrong. Exits 1 when more is than may be.

import { World, options } from './bench.mjs'
import { startHost } from '../browser/host.mjs'
import { afterVisits, visitPage } from '../browser/visits.mjs'
import { describe, judgeAll } from '../browser/watched.mjs'

const HELP = `tests/bench/truth [--visits 200] [--browsers 6] [--seed 1]
  --browsers  at once, each on a screen of its own
$SENTIER_BUILD names the build, build/release by default; $SENTIER_TRACKER a script to try instead of the built one.`
const given = options({ visits: 200, browsers: 6, seed: 1 }, HELP)

const near = (list, ms) => list.filter(({ error }) => Math.abs(error) <= ms).length

const HEADS = ['left by', 'pageviews', 'lost', 'twice', '100 ms', '250 ms', '1 s', 'as promised', 'least', 'most']
const row = (cells) => cells.map((one, i) => (i === 0 ? one.padEnd(8) : String(one).padStart(11))).join(' ')

function print(all) {
  console.log('engaged time, as reported, is wrong by at most')
  console.log(row(HEADS))
  for (const how of ['link', 'away', 'close', 'kill']) {
    const of = all.filter(({ truth }) => truth.how === how)
    const errors = of.map(({ error }) => error)
    const lost = of.filter(({ views }) => views === 0).length
    const twice = of.filter(({ views }) => views > 1).length
    const promised = of.filter((one) => one.near).length
    const [least, most] = [Math.min(...errors), Math.max(...errors)].map((ms) => `${Math.round(ms)} ms`)
    console.log(row([how, of.length, lost, twice, near(of, 100), near(of, 250), near(of, 1000), promised, least, most]))
  }
}

const host = await startHost(visitPage)
const world = await World.lay({ sites: { shop: { origins: host.url } } })
try {
  await world.startAll()
  const begun = performance.now()
  const { all, views } = await afterVisits(world, host, given, (truths) => judgeAll(world, host, truths))
  const apart = Math.max(...all.map(({ truth }) => Math.abs(truth.ms - truth.driverMs)))
  const seconds = Math.round((performance.now() - begun) / 1000)
  console.log(`${given.visits} visits, ${all.length} pageviews in ${given.browsers} browsers, ${seconds} s; page and driver differ by ${Math.round(apart)} ms at most`)
  print(all)
  const { ledger } = await world.stats()
  console.log(`${ledger.received} hits came, ${views} pageviews are in the report`)
  const bad = all.filter((one) => one.views !== 1 || !one.near)
  for (const one of bad) console.log(describe(one))
  const lost = all.filter(({ views, truth }) => views !== 1 && !(views === 0 && truth.how === 'kill'))
  if (lost.length > 0 || views > all.length || all.filter((one) => !one.near).length > all.length / 100) process.exitCode = 1
} finally {
  const problems = await world.end()
  if (problems.length > 0) throw new Error(problems.join('\n'))
  await host.close()
}
