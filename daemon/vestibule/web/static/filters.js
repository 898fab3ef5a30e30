// Which cameras and garments this phone wants to see; remembered on it.

import { capital, garment, say } from './text.js'

const camera = document.getElementById('by-camera')
const worn = document.getElementById('by-garment')
const cameraOf = alert => `${alert.site}/${alert.camera}`

export function setUpFilters(onChange) {
  for (const select of [camera, worn]) {
    select.addEventListener('change', () => {
      localStorage.setItem(select.id, select.value)
      onChange()
    })
  }
  document.getElementById('show-all').addEventListener('click', () => {
    for (const select of [camera, worn]) {
      localStorage.removeItem(select.id)
      select.value = ''
    }
    onChange()
    camera.focus()
  })
}

export function passes(alert) {
  return (!camera.value || cameraOf(alert) === camera.value) && (!worn.value || alert.garments.includes(worn.value))
}

export function fillFilters(alerts, severalSites) {
  fill(camera, alerts.map(cameraOf), value => severalSites ? value : value.split('/').at(-1))
  fill(worn, alerts.flatMap(alert => alert.garments), value => capital(garment(value)))
}

// Keeps what was chosen, also where no alert has it now.
function fill(select, values, textOf) {
  const chosen = localStorage.getItem(select.id) ?? ''
  const choices = [...new Set([...values, chosen])].filter(Boolean).map(value => [value, textOf(value)])
  const wanted = [['', say('all')], ...choices.sort((a, b) => a[1].localeCompare(b[1]))]
  const given = [...select.options].map(option => [option.value, option.text])
  if (JSON.stringify(wanted) === JSON.stringify(given)) return // an open list shall not close
  select.replaceChildren(...wanted.map(([value, text]) => new Option(text, value, false, value === chosen)))
}
