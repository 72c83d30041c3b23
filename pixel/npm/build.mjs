// Writes the npm package into a folder, ready for `npm publish`:
//
//   node pixel/npm/build.mjs OUT
//
// The tracker is that of s.js, in a function: what differs is who says where it runs.

import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildTracker } from '../tracker.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

// What asks for debug.js by its URL is never reached: init() has asked for the package's own. Bundlers
// need not try to find it.
async function asFunction(variant) {
  const tracker = String(await buildTracker({ ...variant, element: 'script' }))
  return `export function track(script) {\n${tracker.replace('import(', 'import(/* webpackIgnore: true */ /* @vite-ignore */ ')}\n}\n`
}

export async function buildPackage(out) {
  mkdirSync(out, { recursive: true })
  for (const file of ['package.json', 'README.md', 'index.js', 'index.d.ts']) cpSync(here(file), join(out, file))
  cpSync(here('../../LICENSE'), join(out, 'LICENSE'))
  writeFileSync(join(out, 'track.js'), await asFunction({}))
  writeFileSync(join(out, 'debug.js'), await asFunction({ debug: true }))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv[2]) throw new Error('usage: node pixel/npm/build.mjs OUT')
  await buildPackage(process.argv[2])
}
