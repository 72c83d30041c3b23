// crawler-user-agents (npm, MIT) -> rows of C for collector/agent.c:
//     { "name", "literal", "regex" or NULL },
// `literal` is a run of bytes that every agent of that pattern contains, the longest there is: the
// matcher looks for literals and asks the regex only where one was found. A pattern that is nothing
// but its literal needs no regex. A|B at the top of a pattern becomes two rows of one name.
// `name` is what reports show: short, readable, one per pattern.
//
//     node bots.mjs OUTPUT [crawler-user-agents.json]
import { readFileSync, writeFileSync } from 'node:fs'

const LITERAL_MIN = 3 // the matcher indexes grams of three bytes
const NAME_MAX = 60 // bytes; a number may follow

// An atom is one step of a pattern. text: it matches exactly that character; show: how it looks in
// a name. Nested groups, counts and rare escapes are refused: none of the patterns has them.
function atoms(pattern) {
  const out = []
  const step = /\\(.)|\[((?:\\.|[^\]])*)\]|\(((?:\\.|[^()])*)\)|([\s\S])/guy
  for (const [, escaped, set, group, plain] of pattern.matchAll(step)) {
    if (escaped !== undefined) out.push(escapeOf(escaped))
    else if (set !== undefined) out.push({ show: setName(set) })
    else if (group !== undefined) out.push({ show: groupName(group) })
    else if ('^$.'.includes(plain)) out.push({ show: '' })
    else if (plain === '+') out.push({ show: '' })
    else if ('*?'.includes(plain)) out.push({ show: out.pop().show || ' ' }) // may be absent
    else if ('{}()[]|'.includes(plain)) throw new Error(`cannot read the pattern ${pattern}`)
    else out.push({ text: plain, show: plain })
  }
  return out
}

function escapeOf(c) {
  if (!/[a-zA-Z0-9]/.test(c)) return { text: c, show: c }
  if (c === 'd') return { show: 'N' }
  if ('wWsSDbB'.includes(c)) return { show: '' }
  throw new Error(`cannot read the escape \\${c}`)
}

const setName = (set) => (/^[a-zA-Z]+$/.test(set) ? [...set].sort()[0] : '')

function groupName(group) {
  const first = group.replace(/^\?:/, '').split('|')[0]
  return /^[\w .-]+$/.test(first) ? first : ''
}

function longestRun(list) {
  let best = '', run = ''
  for (const atom of list) {
    run = atom.text === undefined ? '' : run + atom.text
    if (run.length > best.length) best = run
  }
  return best
}

function nameOf(list) {
  const text = list.map((atom) => atom.show).join('')
  let name = text.replace(/\s+/g, ' ').replace(/^[\s/]+|[\s/:(]+$/g, '')
  while (Buffer.byteLength(name) > NAME_MAX) name = [...name].slice(0, -1).join('')
  if (name === '') throw new Error(`a pattern without a name: ${text}`)
  return name
}

// Two patterns may tidy up to one name: the later ones are numbered.
function unique(name, taken) {
  let free = name
  for (let i = 2; taken.has(free); i++) free = `${name} (${i})`
  taken.add(free)
  return free
}

const topAlternatives = (p) => (/[([]/.test(p) ? [p] : p.split(/(?<!\\)\|/))

function rowsOf(pattern, taken) {
  const alternatives = topAlternatives(pattern)
  const name = unique(nameOf(atoms(alternatives[0])), taken)
  return alternatives.map((alternative) => {
    const list = atoms(alternative)
    const literal = longestRun(list)
    if (Buffer.byteLength(literal) < LITERAL_MIN) throw new Error(`too little text in ${pattern}`)
    const isLiteral = list.every((atom) => atom.text !== undefined)
    return { name, literal, regex: isLiteral ? null : alternative }
  })
}

// Octal escapes of three digits cannot swallow what follows them.
function cString(s) {
  const byte = (b) => (b >= 0x20 && b < 0x7f && !'"\\?'.includes(String.fromCharCode(b))
    ? String.fromCharCode(b) : '\\' + b.toString(8).padStart(3, '0'))
  return `"${[...Buffer.from(s)].map(byte).join('')}"`
}

const SOURCE = 'node_modules/crawler-user-agents/crawler-user-agents.json'
const [output, source = SOURCE] = process.argv.slice(2)
if (output === undefined) throw new Error('usage: node bots.mjs OUTPUT [crawler-user-agents.json]')
const taken = new Set(['no-agent'])
const rows = JSON.parse(readFileSync(source, 'utf8')).flatMap((entry) => rowsOf(entry.pattern, taken))
writeFileSync(output, rows.map(({ name, literal, regex }) =>
  `{ ${cString(name)}, ${cString(literal)}, ${regex === null ? 'NULL' : cString(regex)} },\n`).join(''))
