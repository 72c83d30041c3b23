// Consent managers that speak IAB TCF 2: put this below the manager's own script.
window.sentier = window.sentier || function () { (sentier.q = sentier.q || []).push(arguments) }

// Store on a device; measure content; understand audiences. All of them must be allowed.
const PURPOSES = [1, 8, 9]

__tcfapi('addEventListener', 2, (data, ok) => {
  // Outside the GDPR's reach nothing is told, and before the person has chosen nothing is known.
  if (!ok || !data.gdprApplies || data.eventStatus === 'cmpuishown') return
  sentier('consent', PURPOSES.every((purpose) => data.purpose.consents[purpose]) ? 'consented' : 'cookieless')
})
