// The one global function, for the modules that are loaded beside the tracker: in whichever order
// they and it arrive. Looked up at each call, for the tracker replaces what waits for it.

const page = window as { sentier?: any }

page.sentier ||= function () {
  ;(page.sentier.q ||= []).push(arguments)
}

export const sentier = (...call: unknown[]) => page.sentier(...call)
