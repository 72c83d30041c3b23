// What a visitor of a page pays for the tracker, beside what earlier ones paid. Over budget fails.
//
//   node pixel/size.mjs
//
// sizes.tsv: date, bytes (brotli), what came; a line more whenever something comes.

import { readFileSync } from 'node:fs'
import { buildModules } from './modules.mjs'
import { brotliSize, buildTracker, SIZE_MAX_BYTES } from './tracker.mjs'

const row = (when, size, what) => console.log(`tracker: ${when.padEnd(10)} ${String(size).padStart(6)}  ${what}`)

for (const line of readFileSync(new URL('sizes.tsv', import.meta.url), 'utf8').trim().split('\n')) row(...line.split('\t'))
const size = brotliSize(await buildTracker())
row('now', size, `of ${SIZE_MAX_BYTES} bytes (brotli)`)
for (const { path, bytes } of await buildModules()) row('beside it', brotliSize(bytes), path)
if (size > SIZE_MAX_BYTES) throw new Error('the tracker is over its size budget')
