/** How much of a person is known: by an id of this browser, by nothing that lasts, or not at all. */
export type Consent = 'consented' | 'cookieless' | 'off'

export interface Options {
  /** Name of the site, as in the collector's configuration. */
  site: string
  /** Full URL of the collector's beacon path: `https://stats.example/b`. */
  endpoint: string
  /** The fragment is part of a page, and a change of it a pageview. */
  hash?: boolean
  /** What `consent()` would say, before the first pageview. Without it who consented stays so, and everybody else is cookieless. */
  consent?: Consent
  /** Cookies go with hits: the id of a visitor who consents may be one of the collector's host. */
  cookie?: boolean
  /** Tell in the console what is sent, and why something is not. */
  debug?: boolean
}

/** At most 16; a name of at most 64 bytes, a value of at most 128. */
export type Properties = { [name: string]: string | number | boolean }

/** Begins the first pageview. Only the first call counts; on a server it does nothing. */
export function init(options: Options): void

/** Something happened. Name of at most 128 bytes. */
export function event(name: string, properties?: Properties): void
/** An event that is one of the site's goals. */
export function goal(name: string, properties?: Properties): void
/** An event that is no interaction of the person: a film that starts by itself, a measurement. */
export function passive(name: string, properties?: Properties): void
/** An order: `purchase('A-1', 49.9, 'EUR')`. Its id counts once per visitor. */
export function purchase(order: string, value: number | string, currency: string): void

/** `true` is `consented`, `false` is `cookieless`. */
export function consent(mode: Consent | boolean): void
/** A lasting opt-out that no consent lifts; `optout(false)` does. */
export function optout(out?: boolean): void
/** Who this is, by the site's own id and the token that its server signed; needs consent. */
export function identify(id: string, signature: string): void
/** What follows is another visitor's. */
export function logout(): void
