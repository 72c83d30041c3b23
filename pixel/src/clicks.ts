// Clicks that lead away: to another host, or to a file.

import { send } from './pageview'
import { flush } from './transport'

const FILES =
  /\.(7z|apk|csv|deb|dmg|docx?|epub|exe|gpx|gz|ics|iso|m4a|mp[34]|msi|od[st]|pdf|pptx?|rar|rpm|tgz|txt|xlsx?|zip)$/i

export function click(event: MouseEvent) {
  // A middle click opens a link, too; a right click only its menu.
  if (event.type === 'auxclick' && event.button !== 1) return
  const link = (event.target as Element).closest('a,area') as HTMLAnchorElement | null
  if (!link || !/^http/.test(link.protocol)) return // mailto:, tel:, no href
  const kind = link.hasAttribute('download') || FILES.test(link.pathname) ? 'dl' : link.host !== location.host ? 'ol' : ''
  if (!kind) return
  send(kind, { t: link.href })
  flush(true) // the page may be gone the next moment
}
