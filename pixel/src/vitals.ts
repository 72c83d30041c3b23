// Core Web Vitals of a page load, as events that are no interactions: each once, when the browser
// knows it for good. Values go in steps, so that a report of them has tens of rows and not
// thousands. A step is named by its upper end, and the borders between good and poor are ends of
// steps: no value changes its rating by being rounded.

import { onCLS, onFCP, onINP, onLCP, onTTFB, type MetricType } from 'web-vitals'
import { sentier } from './call'

// Milliseconds; CLS has no unit. What is more than the last step counts as it.
const SCALE: { [name in MetricType['name']]: { step: number; max: number } } = {
  LCP: { step: 100, max: 10_000 },
  FCP: { step: 100, max: 10_000 },
  TTFB: { step: 100, max: 10_000 },
  INP: { step: 50, max: 2_000 },
  CLS: { step: 0.05, max: 1 },
}

// A page that is hidden again and again reports CLS and INP each time they have grown.
const told = new Set<string>()

function tell({ id, name, value, rating }: MetricType) {
  if (told.has(id)) return
  told.add(id)
  const { step, max } = SCALE[name]
  const upper = Math.min(max, Math.ceil(value / step) * step)
  sentier('event', name, { rating, value: +upper.toFixed(2), passive: 1 })
}

for (const watch of [onCLS, onFCP, onINP, onLCP, onTTFB]) watch(tell)
