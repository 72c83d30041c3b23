// A screen with one real Chromium on it, that can be killed and started again with the same profile. The focus of a
// screen is one window's, so browsers that are looked at at the same time need one each.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import puppeteer from 'puppeteer-core'
import { eventually } from '../scenario/eventually.mjs'

const XVFB = ['-displayfd', '3', '-nolisten', 'tcp', '-screen', '0', '1280x1024x24']

const FLAGS = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage', '--disable-blink-features=AutomationControlled', '--hide-crash-restore-bubble',
  '--lang=en-GB', '--window-position=0,0', '--window-size=1200,900',
]
// What puppeteer switches off although people have it on, or what gives an automated browser away.
const NOT_A_PERSON = [
  '--enable-automation', '--disable-back-forward-cache', '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows', '--disable-background-timer-throttling',
]

export class Screen {
  static async open() {
    const screen = new Screen()
    screen.server = spawn('Xvfb', XVFB, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
    const failed = new Promise((_, fail) => screen.server.once('error', fail))
    const [number] = await Promise.race([once(screen.server.stdio[3], 'data'), failed])
    screen.name = ':' + String(number).trim()
    screen.home = mkdtempSync(join(tmpdir(), 'sentier-chromium-'))
    return screen
  }

  async launch() {
    this.browser = await puppeteer.launch({
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium', userDataDir: this.home, env: { ...process.env, DISPLAY: this.name },
      headless: false, pipe: true, defaultViewport: null, timeout: 120_000, ignoreDefaultArgs: NOT_A_PERSON, args: FLAGS,
    })
    return this.browser
  }

  async kill9() {
    const child = this.browser.process()
    this.browser = undefined
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    for (const name of ['Lock', 'Socket', 'Cookie']) rmSync(join(this.home, 'Singleton' + name), { force: true })
  }

  async close() {
    await this.browser?.close()
    this.server.kill()
    await eventually('the profile is gone', () => (rmSync(this.home, { recursive: true, force: true }), true)) // helpers may still write
  }
}
