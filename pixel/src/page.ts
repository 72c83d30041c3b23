// What the page says about itself: the script's own element, its attributes, and where hits go.

const script = (document.currentScript || document.querySelector('script[data-site]')) as HTMLScriptElement

export const options = script.dataset

export const site = options.site

// Beside the script, wherever that was loaded from: a page served under another host needs no more.
export const endpoint = options.endpoint || new URL('b', script.src).href

const hashRoutes = options.hash != null

export const url = () => (hashRoutes ? location.href : location.href.split('#')[0])

// What must change for a route change to be one: a filter written into the query is no other page.
export const route = () => location.pathname + (hashRoutes ? location.hash : '')

// 404s: said by the page, else by the browser, which knows how it was answered.
export function status(firstView: boolean) {
  const meta: HTMLMetaElement | null = document.querySelector('meta[name="sentier:status"]')
  const [load] = performance.getEntriesByType('navigation') as any[]
  return meta?.content || (firstView && (options.status || load?.responseStatus))
}

// Never throws into the page: whatever fails in here, fails in here.
export const quietly = (work: (first: any, second?: any) => void) => (first?: any, second?: any) => {
  try {
    work(first, second)
  } catch (e) {}
}

export const on = (target: EventTarget, events: string, work: (event: any) => void) =>
  events.split(' ').forEach((event) => target.addEventListener(event, quietly(work), true))
