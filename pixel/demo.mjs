// The demo site as a list of files: where the collector serves each, its type, its bytes.

import { readFileSync, readdirSync } from 'node:fs'

const DIR = new URL('demo/', import.meta.url)

const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
}

// Routes that the journal page makes up by itself, so that a reload finds them.
const ROUTES = { 'journal.html': ['journal/first-frost', 'journal/mud-season', 'journal/night-train'] }

export function demoFiles() {
  return readdirSync(DIR)
    .sort()
    .flatMap((name) => {
      const type = TYPES[name.split('.').pop()]
      if (!type) return []
      const bytes = readFileSync(new URL(name, DIR))
      const paths = [name === 'index.html' ? '' : name, ...(ROUTES[name] || [])]
      return paths.map((path) => ({ path: '/demo/' + path, type, bytes }))
    })
}
