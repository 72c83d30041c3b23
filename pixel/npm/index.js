// The tracker for bundlers. An import does nothing; init() begins, and what is called before it
// waits as it does in a page whose script has not come yet. On a server nothing begins and nothing
// waits: one process renders pages of many persons.

import { track } from './track.js'

let begun = false

const isServer = () => typeof window === 'undefined'

function tell(...call) {
  if (isServer()) return
  window.sentier ||= function () {
    ;(window.sentier.q ||= []).push(arguments)
  }
  window.sentier(...call)
}

// What the tracker reads from its script element.
function scriptOf({ site, endpoint, hash, consent, cookie }) {
  const dataset = { site, endpoint }
  if (hash) dataset.hash = ''
  if (consent) dataset.consent = String(consent)
  if (cookie) dataset.cookie = 'include'
  return { dataset, src: endpoint }
}

export function init(options) {
  if (begun || isServer()) return
  begun = true
  if (options.debug) import('./debug.js').then((debug) => debug.track(scriptOf(options)))
  else track(scriptOf(options))
}

export const event = (name, properties) => tell('event', name, properties)
export const goal = (name, properties) => event(name, { ...properties, goal: 1 })
export const passive = (name, properties) => event(name, { ...properties, passive: 1 })
export const purchase = (order, value, currency) => event('purchase', { order, value, currency })
export const consent = (mode) => tell('consent', mode)
export const optout = (out) => tell('optout', out)
export const identify = (id, signature) => tell('identify', id, signature)
export const logout = () => tell('logout')
