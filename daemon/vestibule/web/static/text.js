// What the page says, in the reader's language.

let words = {}

export async function loadWords() {
  const answer = await fetch('/api/words')
  words = await answer.json()
  for (const element of document.querySelectorAll('[data-word]')) element.textContent = say(element.dataset.word)
}

export function say(name, values = {}) {
  return (words[name] ?? name).replace(/\{(\w+)\}/g, (_, key) => values[key])
}

export const garment = label => words.garments[label] ?? label

// "Dress and Blazer", "Vestido y saco"
export function garments(labels) {
  if (!labels.length) return say('customer')
  return capital(new Intl.ListFormat(document.documentElement.lang, { type: 'conjunction' }).format(labels.map(garment)))
}

export const capital = text => text.charAt(0).toLocaleUpperCase() + text.slice(1)

export function ago(seconds, atMs) {
  if (seconds < 5) return say('now')
  if (seconds < 60) return capital(say('seconds_ago', { n: Math.floor(seconds) }))
  if (seconds < 3600) return capital(say('minutes_ago', { n: Math.floor(seconds / 60) }))
  return new Date(atMs).toLocaleTimeString(document.documentElement.lang, { hour: '2-digit', minute: '2-digit' })
}
