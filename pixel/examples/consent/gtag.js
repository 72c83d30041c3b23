// Consent managers that speak Google Consent Mode: analytics_storage decides. Where this stands does
// not matter: what was said before is read, too.
window.sentier = window.sentier || function () { (sentier.q = sentier.q || []).push(arguments) }

{
  const layer = (window.dataLayer = window.dataLayer || [])
  const { push } = layer

  // Updates alone: a default says what holds until the person has chosen, and for some regions only;
  // what was chosen on an earlier page comes as an update.
  const hear = (entry) => {
    const state = entry?.[2]?.analytics_storage
    if (entry?.[0] === 'consent' && entry[1] === 'update' && state) sentier('consent', state === 'granted' ? 'consented' : 'cookieless')
  }

  layer.forEach(hear)
  layer.push = function (...entries) {
    entries.forEach(hear)
    return push.apply(this, entries)
  }
}
