// Settled, then hit by hit: acknowledged ⊆ counted ⊆ sent, each at most once.

import { eventually } from '../scenario/eventually.mjs'
import { run } from '../scenario/process.mjs'
import { program } from '../scenario/world.mjs'
import { IMPORT_DAY } from './importing.mjs'

const HOST = 'shop.example'
const SETTLED_WITHIN_MS = 45_000
const STEADY_MS = 2500 // settled, and something is still missing: how long to look again

async function ask(stack, ...args) {
  const { code, out, err } = await run(program('sentier-report'), [...args, '--conf', stack.collectors[0].conf, '--format', 'json', '--redis', stack.address])
  if (code !== 0) throw new Error(err)
  return JSON.parse(out)
}

const nothing = { pages: [], events: [], totals: {}, customers: [] }

async function read(stack) {
  const live = await ask(stack, 'report', 'pages', '--site', 'shop', '--last', '3d')
  const imported = await ask(stack, 'report', 'pages', '--site', 'shop', '--from', IMPORT_DAY, '--to', IMPORT_DAY)
  const people = await ask(stack, 'customers', '--site', 'shop', '--limit', '0').catch((error) => {
    if (/no consented visitors/.test(error.message)) return nothing
    throw error
  })
  const pages = new Map([...live.pages, ...imported.pages].filter((one) => one.views + one.bot_views > 0 || one.engaged_ms > 0).map((one) => [one.page, one]))
  return { live, imported, pages, events: new Map(live.events.map((one) => [one.name, one.count])), people: new Map(people.customers.map((one) => [one.id, one])) }
}

const timesOf = (books, hit) => {
  const page = books.pages.get(HOST + hit.page)
  if (hit.kind === 'event') return books.events.get(hit.name) ?? 0
  if (hit.kind === 'pulse') return (page?.engaged_ms ?? 0) >= hit.engaged ? 1 : 0
  return page ? page.views + page.bot_views : 0
}

const nameOf = (hit) => (hit.kind === 'view' ? hit.page : hit.kind === 'event' ? hit.name : `${hit.page} ${hit.engaged} ms`)

function phantoms(books, hits) {
  const sent = (kind) => hits.filter((hit) => hit.kind === kind && hit.sent > 0)
  const pages = new Set(sent('view').map((hit) => HOST + hit.page))
  const names = new Set(sent('event').map((hit) => hit.name))
  const engaged = new Map()
  for (const hit of sent('pulse')) engaged.set(HOST + hit.page, Math.max(hit.engaged, engaged.get(HOST + hit.page) ?? 0))
  const never = [...books.pages.keys()].filter((page) => !pages.has(page))
  const too = [...books.pages.values()].filter((one) => one.engaged_ms > (engaged.get(one.page) ?? 0)).map((one) => `${one.page} ${one.engaged_ms} ms`)
  return [...never, ...too, ...[...books.events.keys()].filter((name) => !names.has(name))]
}

// A consented visitor's profile must hold the pageviews that the pages hold.
function profiles(books, visitors) {
  const wrong = { fewer: [], more: [] }
  for (const visitor of visitors.filter(({ id }) => id)) {
    const views = visitor.pages.reduce((n, page) => n + (books.pages.get(HOST + page)?.views ?? 0), 0)
    const has = books.people.get(visitor.id)?.views ?? 0
    if (has !== views) wrong[has < views ? 'fewer' : 'more'].push(`profile ${visitor.id}: ${has} views, its pages ${views}`)
  }
  const known = new Set(visitors.map(({ id }) => id))
  const strangers = [...books.people.keys()].filter((id) => !known.has(id)).map((id) => `profile ${id}`)
  return { ...wrong, strangers }
}

function compareHits(books, hits, visitors, excused) {
  const times = new Map(hits.map((hit) => [hit, timesOf(books, hit)]))
  const of = profiles(books, visitors)
  const missing = hits.filter((hit) => hit.acknowledged && times.get(hit) === 0)
  return {
    sent: hits.filter((hit) => hit.sent > 0).length,
    acknowledged: hits.filter((hit) => hit.acknowledged).length,
    counted: hits.filter((hit) => times.get(hit) > 0).length,
    lost: [...missing.filter((hit) => !excused(hit)).map(nameOf), ...of.fewer],
    excused: missing.filter(excused).length,
    twice: [...hits.filter((hit) => times.get(hit) > 1).map((hit) => `${nameOf(hit)} x${times.get(hit)}`), ...of.more],
    phantom: [...phantoms(books, hits), ...of.strangers],
  }
}

// Waits until nothing is pending anywhere. allowed: { gaps: an operator gives the word, whole: no
// hit may have been given up or damaged on the way, excused(hit) }
export async function compare(stack, hits, visitors, allowed) {
  const problems = []
  let result, figures, steady, waits
  // Where no operator should be needed, that one was is a finding, and the rest is looked at all the same.
  const giveWord = async () => {
    waits ??= Date.now()
    if (!allowed.gaps && Date.now() - waits < STEADY_MS) return
    if (!allowed.gaps && problems.length === 0) problems.push(`operator: ${figures.waiting} partitions wait for accept-gaps`)
    await stack.acceptGaps()
  }
  try {
    await eventually('settled', async () => {
      figures = await stack.figures()
      if (figures.waiting > 0) await giveWord()
      // A collector that has just started knows the weight of a segment only after its next look.
      if (!figures.settled || (allowed.whole && figures.received !== figures.shipped)) {
        steady = undefined
        throw new Error(JSON.stringify(figures))
      }
      await stack.nameDataSet()
      result = compareHits(await read(stack), hits, visitors, allowed.excused)
      const { received } = await stack.figures()
      if (received !== figures.received) throw new Error(`${received - figures.received} more while it was compared`)
      steady ??= Date.now()
      return result.lost.length === 0 || Date.now() - steady > STEADY_MS
    }, SETTLED_WITHIN_MS)
  } catch (error) {
    problems.push(`stuck: ${error.message}`)
    result ??= compareHits(await read(stack), hits, visitors, allowed.excused)
  }
  problems.push(...ledger(figures, result, allowed))
  return { ...result, figures, problems }
}

function ledger(figures, result, allowed) {
  const wrong = []
  if (figures === undefined) return ['ledger: no figures']
  if (allowed.whole && figures.received !== figures.shipped) wrong.push(`received ${figures.received} in the journals, ${figures.shipped} in Redis`)
  if (figures.folded > figures.shipped) wrong.push(`folded ${figures.folded} of ${figures.shipped} shipped`)
  if (figures.taken > result.sent) wrong.push(`counted ${figures.taken} of ${result.sent} sent`)
  if (figures.taken < result.acknowledged - result.excused - figures.skipped) wrong.push(`counted ${figures.taken} of ${result.acknowledged} acknowledged`)
  if (allowed.whole && figures.skipped > 0) wrong.push(`skipped ${figures.skipped}`)
  return wrong.map((text) => `ledger: ${text}`)
}
