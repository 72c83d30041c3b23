// Links and controls: which ones came into view, at least half of each and for a second, and which
// were used. What a click leads to, and so what kind it is, is the collector's to say.

let fresh: string[] = [] // seen, not yet told
const seen: { [link: string]: string } = {} // each once while the document lives: what its routes share is seen but once
const since = new Map<HTMLElement, number>()

// The path of a link to this host; false for any other, and for what is no link.
const inside = (link: any): false | string => link.origin == location.origin && clean(link.href).slice(link.origin.length)

// What has been seen is watched no more: a browser computes each at every frame. Geometry alone would
// count what lies in a menu that is not shown; such a link is looked at again with the next flush.
const io =
  self.IntersectionObserver &&
  new IntersectionObserver(
    attempt((entries: any[]) => {
      entries.map(({ target, intersectionRatio }) => (intersectionRatio < 0.5 ? since.delete(target) : since.set(target, now())))
      later(
        () =>
          since.forEach((at, target) => {
            if (now() - at > 900) {
              const link = target.closest('a,[data-sentier]') as HTMLElement
              since.delete(target)
              io!.unobserve(target)
              document.hidden || !(link as any).checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })
                ? (stale = 1)
                : [inside(link), link.dataset.sentier && '*' + link.dataset.sentier].map((one) => one && !seen[one] && fresh.push((seen[one] = one)))
            }
          }),
        1e3
      )
    }),
    { threshold: 0.5 }
  )

// A middle click opens a link, too; a right click only its menu.
const click = ({ button, target }: any) => {
  const named = target.closest('[data-sentier],[data-sentier-event]'),
    link = target.closest('a')
  if (button < 2) {
    named && send(named.dataset.sentierEvent ? 'ev' : 'ct', { m: named.dataset.sentierEvent || named.dataset.sentier })
    link?.href && send('ck', { t: clean(link.href) })
  }
}
