// Pages of 200 links of every kind, and what of them was in view. Whether a link is, is asked of the page point by point,
// which no observer of boxes does: so it is known of menus that are hidden, and of what an inner scroller cuts off. What
// lies under something else counts as in view.

const OTHER = 'http://elsewhere.example/'

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const words = (random, from, to) =>
  Array.from({ length: random.int(from, to) }, () => LETTERS.slice(random.int(0, 12), random.int(14, 25))).join(' ')
const paragraph = (random, link) => `<p>${words(random, 1, 20)} ${link} ${words(random, 1, 20)}</p>`

const KINDS = {
  text: (random, href) => paragraph(random, `<a href="${href}">${words(random, 1, 3)}</a>`),
  wrapped: (random, href) => paragraph(random, `<a href="${href}">${words(random, 20, 40)}</a>`),
  image: (random, href) => `<p><a href="${href}"><img src="${DOT}" width="${random.int(40, 300)}" height="${random.int(30, 200)}"></a></p>`,
  card: (random, href) => `<a class="card" href="${href}" style="height:${random.int(60, 320)}px"><h2>Card</h2>${words(random, 3, 9)}</a>`,
  block: (random, href) => `<a href="${href}"><h2>Heading</h2><p style="height:${random.int(30, 120)}px">${words(random, 3, 9)}</p></a>`,
}
const DOT = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'

const STYLE = `
  body { margin: 0; font: 16px/1.5 sans-serif } main { margin: 80px 40px }
  header { position: fixed; top: 0; width: 100%; height: 60px; background: #fff } .card { display: block; margin: 20px 0; background: #eee }
  .menu { position: fixed; top: 60px; right: 0; width: 200px; background: #fff } .gone { display: none } .unseen { visibility: hidden }
  .clear { opacity: 0; pointer-events: none } .scroller { height: 150px; overflow: auto } .scroller a { display: block; height: 40px }`

// In the page: the steps as they are done, {at, painted, seen: {HREF: share of its points that are the link}}.
function watchLinks() {
  const GRID = [0.1, 0.3, 0.5, 0.7, 0.9]
  const isLink = (a, x, y) => document.elementsFromPoint(x, y).some((one) => one.closest('a') === a)
  function share(a) {
    const boxes = [a, ...a.querySelectorAll('img,h2,p')].flatMap((one) => [...one.getClientRects()])
    const sizes = boxes.map((box) => box.width * box.height)
    const all = sizes.reduce((sum, size) => sum + size, 0)
    if (!all || boxes.every((box) => box.bottom < 0 || box.top > innerHeight)) return 0
    const hits = ({ left, top, width, height }) => GRID.flatMap((x) => GRID.map((y) => isLink(a, left + x * width, top + y * height))).filter(Boolean).length
    return boxes.reduce((sum, box, i) => sum + (sizes[i] * hits(box)) / GRID.length ** 2, 0) / all
  }
  const log = (window.steps = [])
  window.mark = () => {
    const seen = {}
    const at = performance.now() // before: what is looked at has been there since
    for (const a of document.links) {
      const part = share(a)
      if (part > 0.01) seen[a.href] = Math.max(seen[a.href] ?? 0, part)
    }
    log.push({ at, seen })
  }
  const pause = (ms) => new Promise((done) => setTimeout(done, ms))
  const frame = () => new Promise((done) => requestAnimationFrame(done))
  window.walk = async (steps) => {
    for (const { y, ms, late, scroller } of steps) {
      scrollTo(0, y * (document.documentElement.scrollHeight - innerHeight))
      if (late) document.querySelector('#late').innerHTML = document.querySelector('template').innerHTML
      if (scroller) for (const one of document.querySelectorAll('.scroller')) one.scrollTop = scroller
      mark()
      await frame()
      await frame() // nobody sees what is not painted
      log.at(-1).painted = performance.now()
      await pause(ms)
    }
    mark()
    return log
  }
}

// Makes a page tell; to stand before the tracker.
export const WATCH = `<script>(${watchLinks})(); mark()</script>`

// The HTML of a page of 200 links, closer together in columns; links of pages go to /p/0, /p/1, ….
export function gallery(random, script, columns = 1) {
  let n = 0
  const page = () => `/p/${n++}`
  const links = (count, of = (href) => `<a href="${href}">${words(random, 1, 2)}</a> `) => Array.from({ length: count }, () => of(page())).join('')
  const kinds = Object.values(KINDS)
  const content = Array.from({ length: 125 }, (_, i) => kinds[i % kinds.length](random, page()))
  const again = Array.from({ length: 10 }, () => KINDS.text(random, `/p/${random.int(0, 124)}`)) // a second link to the same page
  const other = Array.from({ length: 10 }, (_, i) => KINDS.text(random, OTHER + i))
  const inside = Array.from({ length: 5 }, (_, i) => KINDS.text(random, '#' + i))
  const main = [...content, ...again, ...other, ...inside]
  const shuffled = random.some(main, main.length)
  shuffled.splice(40, 0, `<div class="scroller">${links(10)}</div>`)
  shuffled.splice(70, 0, `<div id="late"></div>`)
  return `<!doctype html><title>gallery</title><link rel="icon" href="data:,"><style>${STYLE}</style>
    <header><nav>${links(8)}</nav></header>
    <div class="menu gone">${links(4)}</div><div class="menu unseen">${links(4)}</div><div class="menu clear">${links(4)}</div>
    <main style="columns: ${columns}; width: ${columns > 1 ? 1100 : 640}px">${shuffled.join('')}</main>
    <template>${Array.from({ length: 20 }, (_, i) => kinds[i % kinds.length](random, page())).join('')}</template>${script}`
}

const STEP = { late: false, scroller: 0 }

// Where one goes on it, and how long one stays: clearly shorter or clearly longer than what counts.
export function wander(random, stays) {
  const steps = []
  for (let i = 0; i < stays; i++) {
    for (let passing = random.int(0, 2); passing > 0; passing--) steps.push({ ...STEP, y: random.next(), ms: random.int(50, 250) })
    steps.push({ y: random.next(), ms: random.int(2000, 2500), late: i === 1, scroller: random.pick([0, 0, 120, 250]) })
  }
  return steps
}

// From top to bottom.
export const readAll = (stays) => Array.from({ length: stays }, (_, i) => ({ ...STEP, y: i / (stays - 1), ms: 2000 }))

// Of each link, the longest time that at least `part` of it was in view without a break: from the moment `from` of the
// step that brought it to the moment `to` of the one that took it away.
function longest(steps, part, from, to) {
  const best = {}
  for (const href of new Set(steps.flatMap(({ seen }) => Object.keys(seen)))) {
    let since
    steps.forEach((step, i) => {
      if (since !== undefined) best[href] = Math.max(best[href] ?? 0, (step[to] ?? step.at) - since)
      if (!(step.seen[href] >= part) || i + 1 === steps.length) since = undefined
      else since ??= step[from] // what was there before the first step: nobody says since when
    })
  }
  return best
}

// Pages whose links were certainly in view for a second, and those that may have been: what stands between is too close
// to call. What has been scrolled stays on the screen until the next picture.
export function seenPages(steps) {
  const pages = (part, ms, from, to) => {
    const links = Object.entries(longest(steps, part, from, to)).filter(([href, time]) => time >= ms && new URL(href).pathname.startsWith('/p/'))
    return new Set(links.map(([href]) => href.slice('http://'.length)))
  }
  return { must: pages(0.65, 1900, 'painted', 'at'), may: pages(0.35, 700, 'at', 'painted') }
}
