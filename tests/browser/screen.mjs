// A screen with one real Chromium on it, that can be killed and started anew. The focus of a screen is one window's, so
// browsers that are looked at at the same time need one each.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { launchWithWindows } from './chromium.mjs'
import { startDisplay } from './display.mjs'

const PATIENCE = { timeout: 60_000, protocolTimeout: 60_000 }
const TRIES = 3 // where many start at once, one now and then says nothing for minutes

export class Screen {
  #homes = []
  #home // kept when the browser is killed: what waits in it is for the next one

  static async open() {
    const screen = new Screen()
    screen.display = await startDisplay()
    return screen
  }

  async launch(tries = TRIES) {
    if (!this.#home) this.#homes.push((this.#home = mkdtempSync(join(tmpdir(), 'sentier-chromium-'))))
    try {
      this.browser = await launchWithWindows({ home: this.#home, env: { ...process.env, DISPLAY: this.display.name } }, PATIENCE)
      return this.browser
    } catch (error) {
      if (tries === 1) throw error
      this.#home = undefined
      return this.launch(tries - 1)
    }
  }

  async kill9() {
    const child = this.browser.process()
    this.browser = undefined
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    for (const name of ['Lock', 'Socket', 'Cookie']) rmSync(join(this.#home, 'Singleton' + name), { force: true })
  }

  async close() {
    await this.browser?.close()
    await this.display.stop()
    const clear = () => this.#homes.every((home) => (rmSync(home, { recursive: true, force: true }), true))
    await eventually('the profiles are gone', clear) // helpers may still write
  }
}
