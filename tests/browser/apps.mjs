// The npm package as a customer gets it, packed and installed, and small apps made with the examples.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { buildPackage } from '../../pixel/npm/build.mjs'

const top = fileURLToPath(new URL('../..', import.meta.url))
const examples = join(top, 'pixel/examples')

export const example = (path) => readFileSync(join(examples, path), 'utf8')

const npm = (dir, ...args) => execFileSync('npm', args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

// { dir, files: what the package holds, close() }
export async function installPackage() {
  const dir = mkdtempSync(join(tmpdir(), 'sentier-npm-'))
  await buildPackage(join(dir, 'package'))
  mkdirSync(join(dir, 'app'))
  writeFileSync(join(dir, 'app/package.json'), '{ "private": true }')
  const [packed] = Object.values(JSON.parse(npm(join(dir, 'package'), 'pack', '--json', '--pack-destination', dir)))
  npm(join(dir, 'app'), 'install', '--offline', '--ignore-scripts', join(dir, packed.filename))
  return { dir: join(dir, 'app'), files: packed.files.map(({ path }) => path).sort(), close: () => rmSync(dir, { recursive: true }) }
}

// An app of a few lines, bundled as a site would: { text, inputs: files that went into it }.
export async function bundle(installed, contents, { loader = 'tsx', platform = 'browser' } = {}) {
  const result = await build({
    stdin: { contents, loader, resolveDir: examples },
    bundle: true,
    format: platform === 'node' ? 'esm' : 'iife',
    platform,
    jsx: 'automatic',
    tsconfigRaw: {},
    nodePaths: [join(installed.dir, 'node_modules'), join(top, 'node_modules')],
    banner: platform === 'node' ? { js: `import { createRequire } from 'node:module'; const require = createRequire(${JSON.stringify(import.meta.url)})` } : {},
    define: { 'process.env.NODE_ENV': '"production"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
    metafile: true,
    write: false,
    logLevel: 'warning',
  })
  const [out] = Object.values(result.metafile.outputs)
  const bytesOf = (name) => Object.entries(out.inputs).find(([path]) => path.includes(name))?.[1].bytesInOutput ?? 0
  return { text: result.outputFiles[0].text, bytesOf }
}

// What a program prints that runs on a server: no window, and nothing may keep it from ending.
export function runOnServer(installed, text) {
  const file = join(installed.dir, 'server.mjs')
  writeFileSync(file, text)
  return execFileSync(process.execPath, [file], { cwd: installed.dir, encoding: 'utf8', timeout: 20_000, killSignal: 'SIGKILL' })
}

// What the compiler says of a program that uses the package; empty: nothing.
export function typeErrors(installed, text) {
  writeFileSync(join(installed.dir, 'uses.ts'), text)
  const flags = ['--strict', '--noEmit', '--target', 'es2022', '--lib', 'es2022', '--module', 'esnext', '--moduleResolution', 'bundler']
  try {
    execFileSync(process.execPath, [join(top, 'node_modules/typescript/bin/tsc'), ...flags, 'uses.ts'], { cwd: installed.dir, encoding: 'utf8' })
    return ''
  } catch (error) {
    return error.stdout
  }
}
