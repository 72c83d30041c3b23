// Builds the tracker, and writes it and the demo site as C includes for the collector.
//
//   node pixel/build.mjs OUT.js TRACKER.inc [DEMO.inc]
//
// The same sources give the same bytes. What uses the includes defines, before them:
//   struct asset { const char *path, *type, *etag; const unsigned char *bytes; size_t n;
//                  const unsigned char *gzip; size_t gzip_n; };
// gzip is NULL where it would not be smaller.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { demoFiles } from './demo.mjs'
import { buildModules } from './modules.mjs'

export const SIZE_MAX_BYTES = 2048 // brotli: what a visitor of a page pays

export const brotliSize = (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length

export async function buildTracker() {
  const result = await build({
    entryPoints: [fileURLToPath(new URL('src/main.ts', import.meta.url))],
    bundle: true,
    format: 'iife',
    minify: true,
    target: 'es2020',
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: {},
    banner: { js: 'try{' },
    footer: { js: '}catch(e){}' }, // a guest does not even fail aloud
    write: false,
    logLevel: 'warning',
  })
  return Buffer.from(result.outputFiles[0].text.trimEnd())
}

const cBytes = (bytes) => {
  const lines = []
  for (let i = 0; i < bytes.length; i += 24) lines.push('    ' + [...bytes.subarray(i, i + 24)].join(',') + ',')
  return lines.join('\n')
}

// One file: its arrays, and the initialiser of its struct asset.
function asset(name, { path, type, bytes }) {
  const gzip = gzipSync(bytes, { level: 9 })
  const smaller = gzip.length < bytes.length
  const etag = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  const arrays = [`static const unsigned char ${name}_bytes[] = {\n${cBytes(bytes)}\n};`]
  if (smaller) arrays.push(`static const unsigned char ${name}_gzip[] = {\n${cBytes(gzip)}\n};`)
  const gzipped = smaller ? `${name}_gzip, sizeof ${name}_gzip` : 'NULL, 0'
  // Weak: the plain and the compressed form share it.
  const init = `{"${path}", "${type}", "W/\\"${etag}\\"", ${name}_bytes, sizeof ${name}_bytes, ${gzipped}}`
  return { arrays: arrays.join('\n'), init }
}

const table = (name, assets) => {
  const inits = assets.map(({ init }) => `    ${init},\n`).join('')
  return `${assets.map(({ arrays }) => arrays).join('\n')}\nstatic const struct asset ${name}[] = {\n${inits}};\n`
}

function trackerInclude(bytes, modules) {
  const { arrays, init } = asset('tracker', { path: '/s.js', type: 'text/javascript; charset=utf-8', bytes })
  const beside = table('module_assets', modules.map((module, i) => asset(`module${i}`, module)))
  return `${arrays}\nstatic const struct asset tracker_asset = ${init};\n${beside}`
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
