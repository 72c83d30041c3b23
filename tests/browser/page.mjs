// What every page of every browser can do, made of what its driver can.

import { eventually } from '../scenario/eventually.mjs'

export class Page {
  // The first truthy answer of f in the page; while it is between two documents there is none.
  until(what, f, ...args) {
    return eventually(what, () => this.evaluate(f, ...args))
  }

  // A page out of the back/forward cache does not load, so nobody waits for that.
  back() {
    return this.evaluate(() => void setTimeout(() => history.back()))
  }

  at(path) {
    return this.until(`at ${path}`, (one) => location.pathname === one && document.readyState === 'complete', path)
  }

  // What went wrong in the pages of this tab, as `site.mjs` notes it.
  async faults() {
    return (await this.evaluate(() => window.name)).split('\n').filter(Boolean)
  }
}
