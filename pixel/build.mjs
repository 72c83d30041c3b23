// Builds the tracker, and writes it and the demo site as C includes for the collector.
//
//   node pixel/build.mjs OUT.js TRACKER.inc [DEMO.inc]
//
// The same sources give the same bytes. What uses the includes defines, before them:
//   struct bytes { const unsigned char *p; size_t n; };
//   struct asset { const char *path, *type, *etag, *integrity; struct bytes plain, gzip, brotli; };
// A compressed form is {NULL, 0} where it would not be smaller. TRACKER.inc has tracker_assets[], the
// tracker first, then what lies beside it.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { demoFiles } from './demo.mjs'
import { buildModules } from './modules.mjs'
import { brotli, brotliSize, buildTracker, SIZE_MAX_BYTES } from './tracker.mjs'

const cBytes = (bytes) => {
  const lines = []
  for (let i = 0; i < bytes.length; i += 24) lines.push('    ' + [...bytes.subarray(i, i + 24)].join(',') + ',')
  return lines.join('\n')
}

// One file: its arrays, and the initialiser of its struct asset.
function asset(name, { path, type, bytes }) {
  const forms = { plain: bytes, gzip: gzipSync(bytes, { level: 9 }), brotli: brotli(bytes) }
  const worth = Object.entries(forms).map(([form, made]) => [`${name}_${form}`, form === 'plain' || made.length < bytes.length ? made : null])
  const arrays = worth.filter(([, made]) => made).map(([array, made]) => `static const unsigned char ${array}[] = {\n${cBytes(made)}\n};`)
  const inits = worth.map(([array, made]) => (made ? `{${array}, sizeof ${array}}` : '{NULL, 0}'))
  const hash = (algorithm, encoding) => createHash(algorithm).update(bytes).digest(encoding)
  // Weak: all forms share it.
  const etag = `W/\\"${hash('sha256', 'hex').slice(0, 16)}\\"`
  return { arrays: arrays.join('\n'), init: `{"${path}", "${type}", "${etag}", "sha384-${hash('sha384', 'base64')}", ${inits.join(', ')}}` }
}

const table = (name, assets) => {
  const inits = assets.map(({ init }) => `    ${init},\n`).join('')
  return `${assets.map(({ arrays }) => arrays).join('\n')}\nstatic const struct asset ${name}[] = {\n${inits}};\n`
}

function trackerInclude(bytes, modules) {
  const scripts = [{ path: 's.js', type: 'text/javascript; charset=utf-8', bytes }, ...modules]
  return table('tracker_assets', scripts.map((script, i) => asset(`script${i}`, script)))
}

const demoInclude = (files) => table('demo_assets', files.map((file, i) => asset(`demo${i}`, file)))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [outJs, outTracker, outDemo] = process.argv.slice(2)
  if (!outTracker) throw new Error('usage: node pixel/build.mjs OUT.js TRACKER.inc [DEMO.inc]')
  const bytes = await buildTracker()
  const size = brotliSize(bytes)
  console.log(`tracker: ${bytes.length} bytes, gzip ${gzipSync(bytes, { level: 9 }).length}, brotli ${size} of ${SIZE_MAX_BYTES}`)
  if (size > SIZE_MAX_BYTES) throw new Error('the tracker is over its size budget')
  writeFileSync(outJs, bytes)
  writeFileSync(outTracker, trackerInclude(bytes, await buildModules()))
  if (outDemo) writeFileSync(outDemo, demoInclude(demoFiles()))
}
