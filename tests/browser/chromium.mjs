// A real Chromium that looks like a person's: what gives an automated one away is switched off, for
// the collector would rightly count its visits as a bot's.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import puppeteer from 'puppeteer-core'
import { AGENT } from '../scenario/world.mjs'

const PATHS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

const FLAGS = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage', '--disable-blink-features=AutomationControlled', '--lang=en-GB',
]

function chromiumPath() {
  const path = PATHS.find((one) => one && existsSync(one))
  if (!path) throw new Error('no Chromium: install it, or name it in $CHROMIUM')
  return path
}

const WINDOW = ['--window-position=0,0', '--window-size=1200,900', '--hide-crash-restore-bubble']
// What puppeteer switches off although people have it on, or what gives an automated browser away.
const NOT_A_PERSON = [
  '--enable-automation', '--disable-back-forward-cache', '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows', '--disable-background-timer-throttling',
]

// A browser with its profile in `home`, and windows on the screen that env names.
export const launchWithWindows = ({ home, env }, more = {}) =>
  puppeteer.launch({
    executablePath: chromiumPath(), userDataDir: home, env, headless: false, pipe: true, defaultViewport: null,
    ignoreDefaultArgs: NOT_A_PERSON, args: [...FLAGS, ...WINDOW], ...more,
  })

// Calls body with a browser without windows; extra flags as Chromium knows them. It names itself as a
// whole: what a page has sent when it is gone is no page's.
export async function withChromium(body, flags = []) {
  const userDataDir = mkdtempSync(join(tmpdir(), 'sentier-chromium-'))
  const browser = await puppeteer.launch({
    executablePath: chromiumPath(), userDataDir, headless: true, ignoreDefaultArgs: ['--enable-automation'], args: [...FLAGS, '--user-agent=' + AGENT, ...flags],
    defaultViewport: { width: 1200, height: 800 },
  })
  try {
    return await body(browser)
  } finally {
    await browser.close()
    rmSync(userDataDir, { recursive: true, force: true, maxRetries: 5 })
  }
}

export async function newPage(browser) {
  const page = await browser.newPage()
  page.faults = []
  page.on('pageerror', (error) => page.faults.push(error.message))
  return page
}
