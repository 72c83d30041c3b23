// What reports say of topics, interests, ignored and undiscovered pages, against the model's plain count.

import assert from 'node:assert/strict'
import { run } from './process.mjs'
import { COLUMN, interestOf, linkGraph, whyIgnored } from '../model/model.mjs'
import { lift, sumOf, topicScores, topicsOf } from '../model/topics.mjs'
import { program } from './world.mjs'

const RULES = [
  ['/p/n1*', [['ones', 100], ['Low', 40]]], ['*2x', [['twos', 100]]], ['blog.example/*', [['ones', 7], ['blog', 33]]],
  ['/menu', [['menu', 1]]], ['/nowhere*', [['never', 100]]],
]
// As in the configuration.
export const TOPICS = RULES.map(([pattern, of]) => `${pattern} ${of.map(([topic, weight]) => `${weight}:${topic}`).join(', ')}`).join('\n  ')

// What a page says of itself, always the same; some say nothing.
export function aboutOf(path) {
  const n = Number(path.match(/\d+/)?.[0] ?? 0)
  if (n % 3 === 0) return undefined
  return { section: n % 2 === 0 ? ' Evens' : '', topics: n % 4 === 1 ? [['LOW', 60], [`own ${n}`, 100]] : [] }
}

// Of a site: what its pages are about, and the interest of all persons in each topic.
export function topicWorld(model, told, { site, now, from, rows }) {
  const abouts = new Map(told.filter((h) => h.kind === 'meta' && h.site === site && !h.bot).map((h) => [h.page, h.about]))
  const of = (page) => topicsOf(page, RULES, abouts.get(page))
  const persons = [...model.profiles].filter(([key]) => JSON.parse(key)[0] === site).map(([, want]) => want)
  const scoresOf = (want) => new Map([...want.pages].map(([page, { visits }]) => [page, interestOf(visits, want.newest_ms, now)]))
  const mix = new Map()
  for (const want of persons)
    for (const [page, score] of scoresOf(want)) mix.set(page, (mix.get(page) ?? 0) + score)
  const pages = new Set([...rows.keys()].filter((name) => name.startsWith('p:')).map((name) => name.slice(2)))
  const links = linkGraph(model, site, from)
  for (const page of [...links.told, ...links.to.keys()]) pages.add(page)
  return { of, scoresOf, site: topicScores(mix, of), rows, pages, links }
}

const near = (got, want, what) => assert.ok(Math.abs(got - want) <= 0.005 + want / 200, `${what}: ${got}, not ${want}`)

function compareInterests(profile, want, topics) {
  const scores = topics.scoresOf(want)
  const own = topicScores(new Map([...scores].filter(([page]) => want.pages.get(page).views > 0)), topics.of)
  const seen = new Map(profile.interests.map((one) => [one.topic, one]))
  for (const [topic, score] of own) if (score > 0.01) assert.ok(seen.has(topic), `${profile.id} ${topic}`)
  for (const one of profile.interests) {
    near(one.interest, own.get(one.topic), `${profile.id} ${one.topic}`)
    near(one.share, own.get(one.topic) / sumOf(own), `share of ${one.topic}`)
    near(one.site_share, topics.site.get(one.topic) / sumOf(topics.site), `site's share of ${one.topic}`)
    near(one.lift, lift(one.topic, own, topics.site), `lift of ${one.topic}`)
    const behind = [...want.pages].filter(([page, { views }]) => views > 0 && topics.of(page).has(one.topic)).map(([, of]) => of)
    assert.deepEqual([one.pages, one.visits], [behind.length, behind.reduce((n, of) => n + of.tried + of.used, 0)], one.topic)
  }
  assert.deepEqual(profile.interests.map((one) => one.interest), profile.interests.map((one) => one.interest).sort((a, b) => b - a))
  return own
}

function compareIgnored(profile, want, topics) {
  const rate = { navigation: [0, 0], content: [0, 0] }
  const kindOf = (page) => (2 * (topics.links.to.get(page)?.size ?? 0) > topics.links.told.size ? 'navigation' : 'content')
  for (const [name, row] of topics.rows) {
    if (!name.startsWith('p:')) continue
    rate[kindOf(name.slice(2))][0] += row[COLUMN.seen_opened] ?? 0
    rate[kindOf(name.slice(2))][1] += row[COLUMN.seen] ?? 0
  }
  const wanted = [...want.pages].filter(([, page]) => whyIgnored(page) !== '-').map(([page]) => page)
  assert.deepEqual(profile.ignored.map((one) => one.page).sort(), wanted.sort())
  for (const one of profile.ignored) {
    const { passed, passed_days, tried } = want.pages.get(one.page)
    assert.deepEqual([one.passed, one.passed_days, one.tried, one.kind], [passed, passed_days, tried, kindOf(one.page)], one.page)
    const [opened, trials] = rate[one.kind]
    if (trials > 0) near(one.rate, opened / trials, 'rate')
    if (one.why === 'passed by') near(one.chance, (1 - opened / trials) ** passed, 'chance')
    else assert.equal(one.chance, null)
  }
}

function compareUndiscovered(profile, want, own, topics) {
  const matchOf = (page) => [...topics.of(page)].reduce((sum, [topic, weight]) => sum + ((own.get(topic) ?? 0) * weight) / 100, 0)
  const known = (page) => { const of = want.pages.get(page); return of !== undefined && of.views + of.seen > 0 }
  const there = (page) => !topics.rows.get('p:' + page)?.[COLUMN.not_found]
  const wanted = [...topics.pages].filter((page) => !known(page) && there(page) && matchOf(page) > 0.01)
  const names = profile.undiscovered.filter((one) => one.match > 0.01).map((one) => one.page)
  assert.deepEqual(names.sort(), wanted.sort(), profile.id)
  for (const one of profile.undiscovered) {
    near(one.match, matchOf(one.page), `match of ${one.page}`)
    const from = [...(topics.links.to.get(one.page) ?? [])]
    const ways = from.filter((page) => want.pages.get(page)?.views > 0)
    assert.deepEqual([one.linked_from, one.ways_n, one.rung], [from.length, ways.length, ways.length > 0 ? 'offered' : 'unoffered'])
  }
}

export function compareWithTopics(profile, want, topics) {
  const own = compareInterests(profile, want, topics)
  compareIgnored(profile, want, topics)
  compareUndiscovered(profile, want, own, topics)
}

export async function compareTopics(world, site, topics) {
  const { code, out, err } = await run(program('sentier-report'), ['report', 'topics', '--conf', world.conf, '--site', site, '--format', 'json'])
  assert.equal(code, 0, err)
  const document = JSON.parse(out)
  const of = [...topics.pages].map((page) => [page, topics.of(page)])
  const all = new Set(of.flatMap(([, list]) => [...list.keys()]))
  assert.deepEqual(document.topics.map((one) => one.topic).sort(), [...all].sort())
  assert.deepEqual([document.pages, document.pages_without_topic], [of.length, of.filter(([, list]) => list.size === 0).length])
  for (const one of document.topics) {
    const rows = of.filter(([, list]) => list.has(one.topic)).map(([page]) => topics.rows.get('p:' + page) ?? {})
    const sum = (column) => rows.reduce((n, row) => n + (row[column] ?? 0), 0)
    assert.deepEqual([one.pages, one.views, one.visits, one.used], [rows.length, sum(COLUMN.views), sum(COLUMN.visits), sum(COLUMN.used)], one.topic)
    near(one.interest, topics.site.get(one.topic) ?? 0, one.topic)
    near(one.share, (topics.site.get(one.topic) ?? 0) / sumOf(topics.site), one.topic)
  }
}
