// A running Sentier, and real browsers that visit web sites of it. Each browser has sites of its
// own, and all run beside each other: they wait for the same seconds.

import { isDeepStrictEqual } from 'node:util'
import { eventually } from '../scenario/eventually.mjs'
import { run } from '../scenario/process.mjs'
import { freePort, program, scenario } from '../scenario/world.mjs'
import { BROWSERS, withBrowser } from './browsers.mjs'
import { startSite } from './site.mjs'

// parts: NAME -> {pages, site, play}: the pages of a web site (or how they are made of it), options
// of its section, and what is done there, in a tab; one that has closed its tab gives back another.
export async function stage(title, parts) {
  const ports = {}
  const sites = {}
  for (const browser of BROWSERS) {
    for (const [part, { site }] of Object.entries(parts)) {
      const name = `${browser}-${part}`
      ports[name] = await freePort()
      sites[name] = { origins: `http://127.0.0.1:${ports[name]}`, ...site }
      if (!sites[name].origins) delete sites[name].origins // any
    }
  }

  async function playPart(world, browser, page, part) {
    const name = `${browser.name}-${part}`
    const site = await startSite({ port: ports[name], name, collector: world.port })
    const { pages, play } = parts[part]
    Object.assign(site.pages, typeof pages === 'function' ? pages(site) : pages)
    try {
      return await play({ world, browser, page, site, ...questions(world, name) })
    } catch (error) {
      throw new Error(`${part} in ${browser.name}: ${error.message}`, { cause: error })
    } finally {
      await site.close()
    }
  }

  const playAll = (world, name) =>
    withBrowser(name, async (browser) => {
      let page = await browser.frontPage()
      for (const part of Object.keys(parts)) page = (await playPart(world, browser, page, part)) ?? page
    })

  scenario(title, { sites }, async (world) => {
    const ends = await Promise.allSettled(BROWSERS.map((name) => playAll(world, name)))
    const errors = ends.map(({ reason }) => reason).filter(Boolean)
    for (const error of errors.slice(1)) console.error(error)
    if (errors.length) throw errors[0]
  })
}

function questions(world, site) {
  const ask = async (...args) => {
    const where = ['--site', site, '--conf', world.conf, '--redis', `unix:${world.socket}`, '--format', 'json']
    const { code, out, err } = await run(program('sentier-report'), [...args, ...where])
    if (code !== 0) throw new Error(`sentier-report ${args.join(' ')}: ${err}`)
    return JSON.parse(out)
  }
  // Waits until the facts, an object or list, are as they should be; at the end says which are not.
  const become = (what, facts, expected) =>
    eventually(what, async () => {
      const now = await facts()
      const differ = Object.keys({ ...now, ...expected }).filter((key) => !isDeepStrictEqual(now[key], expected[key]))
      if (differ.length === 0) return true
      throw new Error(differ.map((key) => `${key}: ${JSON.stringify(now[key])} instead of ${JSON.stringify(expected[key])}`).join('; '))
    })
  return { ask, become, report: () => ask('report', 'pages') }
}
