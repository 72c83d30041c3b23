// A real Chromium that looks like a person's: what gives an automated one away is switched off, for
// the collector would rightly count its visits as a bot's.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import puppeteer from 'puppeteer-core'
import { AGENT } from '../scenario/world.mjs'

const PATHS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

export const FLAGS = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage', '--disable-blink-features=AutomationControlled', '--lang=en-GB',
]

export function chromiumPath() {
  const path = PATHS.find((one) => one && existsSync(one))
  if (!path) throw new Error('no Chromium: install it, or name it in $CHROMIUM')
  return path
}

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
