// How things are: the word in the header, and a note for each thing that is wrong.

import { say } from './text.js'

const word = document.getElementById('status')
const notes = document.getElementById('notes')

// state: live, connecting, reconnecting, offline, or broker; trouble: a word of the server's, or empty
export function showStatus(state, trouble, sites) {
  word.dataset.state = state
  if (word.textContent !== say(state)) word.textContent = say(state)
  const wrong = trouble ? [say(`note_${trouble}`)] : []
  if (state === 'live') for (const [site, online] of sites) if (!online) wrong.push(say('note_site', { site }))
  if (['offline', 'reconnecting', 'broker'].includes(state)) wrong.push(say(`note_${state}`))
  const shown = [...notes.children].map(note => note.textContent)
  if (shown.join('\n') !== wrong.join('\n')) notes.replaceChildren(...wrong.map(noteOf))
}

function noteOf(text) {
  const note = document.createElement('p')
  note.className = 'note bad'
  note.textContent = text
  return note
}
