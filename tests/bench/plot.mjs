// Lines over time as SVG, one panel under the other, with axes, units, a legend, and the phases of a
// run as bands behind them.

const WIDTH = 960
const PANEL = 250 // height of the drawing
const LEFT = 96
const RIGHT = 24
const GAP = 66 // between panels: the axis below, the legend above
const TOP = 106
const COLOURS = ['#1f6feb', '#d1495b', '#2e8b57', '#8a5a00']

const text = (s) => String(s).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)

// 1, 2 or 5 times a power of ten: about `count` steps to `max`.
function stepOf(max, count) {
  const rough = max / count || 1
  const power = 10 ** Math.floor(Math.log10(rough))
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= rough)
}

function ticks(max, count) {
  const step = stepOf(max, count)
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, i) => i * step)
}

const figure = (n) => Number(n.toPrecision(6)).toLocaleString('en')

function panel({ unit, series }, top, x, end) {
  const greatest = Math.max(...series.flatMap((one) => one.points.map((p) => p[1])), 0) || 1
  const step = stepOf(greatest, 5)
  const max = Math.ceil(greatest / step - 1e-9) * step
  const y = (value) => top + PANEL * (1 - value / max)
  const at = (n) => n.toFixed(1)
  const out = []
  for (const tick of ticks(max, 5)) {
    out.push(`<path class="grid" d="M${LEFT} ${at(y(tick))}H${WIDTH - RIGHT}"/>`)
    out.push(`<text class="y" x="${LEFT - 8}" y="${at(y(tick) + 4)}">${figure(tick)}</text>`)
  }
  for (const tick of ticks(end, 12)) {
    out.push(`<path class="axis" d="M${at(x(tick))} ${top + PANEL}v5"/>`)
    out.push(`<text class="x" x="${at(x(tick))}" y="${top + PANEL + 19}">${figure(tick)}</text>`)
  }
  out.push(`<path class="axis" d="M${LEFT} ${top}V${top + PANEL}H${WIDTH - RIGHT}"/>`)
  out.push(`<text class="unit" transform="translate(18 ${top + PANEL / 2}) rotate(-90)">${text(unit)}</text>`)
  let legend = LEFT
  series.forEach((one, i) => {
    const colour = COLOURS[i % COLOURS.length]
    const line = one.points.map(([a, b], k) => `${k ? 'L' : 'M'}${at(x(a))} ${at(y(b))}`).join('')
    out.push(`<path class="line" stroke="${colour}" d="${line}"/>`)
    out.push(`<path class="line" stroke="${colour}" d="M${legend} ${top - 12}h22"/>`)
    out.push(`<text x="${legend + 28}" y="${top - 8}">${text(one.name)}</text>`)
    legend += 52 + one.name.length * 7
  })
  return out
}

// {title, notes: [line], panels: [{unit, series: [{name, points: [[x, y]]}]}], bands: [{from, to,
// name}], unit}: unit is that of x.
export function plot({ title, notes = [], panels, bands, unit }) {
  const end = Math.max(...panels.flatMap((one) => one.series.flatMap((s) => s.points.map((p) => p[0]))), 1)
  const x = (value) => LEFT + ((WIDTH - LEFT - RIGHT) * value) / end
  const first = TOP + notes.length * 17
  const bottom = first + panels.length * (PANEL + GAP) - GAP
  const height = bottom + 52
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">`,
    `<style>text{font:12px sans-serif;fill:#222}.title{font-size:16px;font-weight:bold}.x,.unit,.band{text-anchor:middle}.y{text-anchor:end}` +
      `.grid{stroke:#ddd}.axis{stroke:#222;fill:none}.line{fill:none;stroke-width:1.8}.band{fill:#666}</style>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text class="title" x="${LEFT}" y="28">${text(title)}</text>`,
    ...notes.map((line, i) => `<text x="${LEFT}" y="${48 + i * 17}">${text(line)}</text>`),
  ]
  bands.forEach((band, i) => {
    const [from, to] = [x(band.from), x(Math.min(band.to, end))]
    out.push(`<rect x="${from.toFixed(1)}" y="${first - 26}" width="${Math.max(to - from, 0).toFixed(1)}" height="${bottom - first + 26}" fill="${i % 2 ? '#eef2f7' : '#fafafa'}"/>`)
    const middle = Math.min((from + to) / 2, WIDTH - RIGHT - band.name.length * 3)
    out.push(`<text class="band" x="${middle.toFixed(1)}" y="${first - (i % 2 ? 32 : 47)}">${text(band.name)}</text>`) // in two rows: a band may be narrow
  })
  panels.forEach((one, i) => out.push(...panel(one, first + i * (PANEL + GAP), x, end)))
  out.push(`<text class="unit" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${height - 12}">${text(unit)}</text>`, '</svg>')
  return out.join('\n') + '\n'
}
