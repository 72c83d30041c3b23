// What of a directory is on the disk, by the system calls that made it: bytes that no later sync of
// their file covered may be gone after a power loss; of the changes of names that no later sync of the
// directory covered, the last ones may not have happened (they keep their order, as on any file
// system with a journal).

const JOINS = ['renameat', 'renameat2', 'rename']

export class Disk {
  // calls: from readCalls; texts: name -> content before the trace, of files that are replaced
  constructor(directory, calls, texts = {}) {
    // `unsure` are changes of names that no sync has covered, in their order
    Object.assign(this, { directory, files: new Map(), unlinked: new Set(), unsure: [], sure: 0 })
    this.versions = new Map(Object.entries(texts).map(([name, content]) => [name, [content]]))
    const steps = calls.flatMap((call) => [[call.entered, () => this.#enter(call)], [call.left, () => this.#leave(call)]])
    for (const [at, step] of steps.sort((a, b) => a[0] - b[0])) if (at !== Infinity) step()
  }

  // The name in our directory; undefined: of another, or of none.
  #nameOf(path) {
    const from = this.directory + '/'
    return path?.startsWith(from) && !path.slice(from.length).includes('/') ? path.slice(from.length) : undefined
  }

  // A sync covers what was done before it began.
  #enter(call) {
    if (call.name === 'fsync' && call.path === this.directory) call.covers = this.sure + this.unsure.length
    const file = this.files.get(this.#nameOf(call.path))
    if (file && ['fsync', 'fdatasync'].includes(call.name)) call.covers = { file, bytes: file.written }
  }

  #leave(call) {
    if (call.result < 0) return
    if (call.covers !== undefined) this.#synced(call.covers)
    else if (call.name === 'openat' && /O_CREAT/.test(call.args)) this.#made(call)
    else if (JOINS.includes(call.name)) this.#renamed(call)
    else if (call.name === 'unlinkat' || call.name === 'unlink') this.#gone(this.#target(call))
    else this.#changed(call)
  }

  // A path relative to the directory descriptor, or whole.
  #target({ args, strings }, which = 0) {
    const name = strings[which]
    if (name.startsWith('/')) return this.#nameOf(name)
    const directories = [...args.matchAll(/(?:\d+|AT_FDCWD)<([^>]*)>/g)].map((found) => found[1])
    return this.#nameOf(`${directories[which] ?? directories[0]}/${name}`)
  }

  #made(call) {
    const name = this.#target(call)
    if (!name) return
    const file = { written: 0, synced: 0, named: false, content: '' }
    this.files.set(name, file)
    this.unsure.push(() => (file.named = true))
  }

  #renamed(call) {
    const [from, to] = [this.#target(call, 0), this.#target(call, 1)]
    const file = this.files.get(from)
    if (!file || !to) return
    this.files.delete(from)
    const versions = this.versions.get(to) ?? [undefined]
    this.versions.set(to, versions)
    versions.push(file.content)
    this.unsure.push(() => versions.splice(0, versions.indexOf(file.content)))
  }

  #gone(name) {
    if (!name) return
    this.files.delete(name)
    this.unlinked.add(name)
    this.unsure.push(() => this.unlinked.delete(name))
  }

  #changed({ name, path, args, strings, result }) {
    const file = this.files.get(this.#nameOf(path))
    if (!file) return
    if (name === 'pwrite64') file.written = Math.max(file.written, Number(/, (\d+)$/.exec(args)[1]) + result)
    if (name === 'write') {
      file.written += result
      file.content += strings[0]
    }
    if (name === 'ftruncate') {
      file.written = Number(/, (\d+)$/.exec(args)[1])
      file.synced = Math.min(file.synced, file.written)
    }
  }

  // The first n changes of names of all there were have happened.
  settle(n) {
    for (; this.sure < n; this.sure++) this.unsure.shift()()
  }

  #synced(covers) {
    if (typeof covers === 'number') {
      this.settle(covers)
    } else {
      covers.file.synced = Math.max(covers.file.synced, covers.bytes)
    }
  }
}
