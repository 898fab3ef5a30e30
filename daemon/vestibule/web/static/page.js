// The staff page: puts the parts together.

import { whoAmI } from './api.js'
import { setUpFilters } from './filters.js'
import { List } from './list.js'
import { setUpPairing, showPairing } from './pairing.js'
import { asleep, mute, muted, ring, wake } from './sound.js'
import { showStatus } from './status.js'
import { Stream } from './stream.js'
import { loadWords, say } from './text.js'

const at = id => document.getElementById(id)
const sites = new Map()
const stream = new Stream({ state: setLive, event: take, unpaired: () => leave(say('revoked')), trouble: setTrouble })
let list = null // while this device is paired
let offsetS = 0 // the server's clock minus ours
let live = 'connecting'
let broker = true
let trouble = '' // a word for what the server complained of
let caughtUp = false
let missed = [] // alerts of a catch-up, to ring for once it is complete
let awakeLock = null

// ---- what the server tells

function take(kind, data) {
  if (kind === 'hello' || kind === 'beat') hear(data)
  else if (kind === 'alert') takeAlert(data)
  else if (kind === 'claim') list.addClaim(data)
  else if (kind === 'site') takeSite(data)
  else if (kind === 'caught-up') catchUp()
}

function hear(data) {
  offsetS = data.now_s - Date.now() / 1000
  broker = data.broker
  trouble = ''
  if ('reset' in data) caughtUp = false
  if (data.reset) sites.clear()
  showState()
}

function takeAlert(alert) {
  if (!list.addAlert(alert)) return
  if (!caughtUp) return missed.push(alert)
  list.show(alert)
  call([alert])
}

function takeSite({ site, online }) {
  sites.set(site, online)
  list.setSeveralSites(sites.size > 1)
  if (caughtUp) list.show()
  showState()
}

function catchUp() {
  caughtUp = true
  list.show()
  call(missed)
  missed = []
}

// Ring and say once, however many there are.
function call(alerts) {
  const calling = list.calling(alerts)
  if (!calling.length) return
  ring()
  const { what, where } = list.cardOf(calling.at(-1))
  announce(say('new_alert', { what, where }))
}

function announce(text) {
  at('announce').textContent = text
}

// ---- how things are

function setLive(state) {
  if (state === live) return
  live = state
  showState()
}

function setTrouble(word) {
  trouble = word
  showState()
}

function showState() {
  if (list) showStatus(live === 'live' && !broker ? 'broker' : live, trouble, sites)
}

function showSound() {
  at('sound').ariaPressed = String(!muted())
  at('sound').ariaLabel = at('sound').title = say('sound')
  at('wake-sound').hidden = !list || !asleep()
}

async function wakeSound() {
  await wake().catch(() => {}) // allowed only in answer to a touch
  showSound()
}

async function keepAwake() {
  localStorage.setItem('awake', at('awake').checked ? 'yes' : 'no')
  await awakeLock?.release()
  awakeLock = null
  if (at('awake').checked && document.visibilityState === 'visible') {
    awakeLock = await navigator.wakeLock.request('screen').catch(() => null)
  }
}

// ---- paired, or not

function enter(about) {
  localStorage.setItem('me', JSON.stringify(about))
  list = new List({ about, nowS: () => Date.now() / 1000 + offsetS, announce, unpaired: () => leave(say('revoked')) })
  at('alerts').hidden = at('sound').hidden = document.querySelector('footer').hidden = false
  at('who').textContent = say('who', { name: about.name })
  if (location.pathname !== '/' || location.hash) history.replaceState(null, '', '/')
  list.show()
  showSound()
  showState()
  stream.open()
}

function leave(problem) {
  stream.close()
  list?.clear()
  list = null
  localStorage.removeItem('me')
  at('alerts').hidden = at('sound').hidden = document.querySelector('footer').hidden = true
  at('status').textContent = ''
  document.title = 'Vestibule'
  showPairing(problem)
}

// Without a network this device is who it was.
async function begin() {
  try {
    const about = await whoAmI()
    if (about) enter(about)
    else leave('')
  } catch (error) {
    const known = localStorage.getItem('me')
    if (!known) return setTimeout(begin, 3000)
    enter(JSON.parse(known))
    setTrouble(error.message === 'storage' ? 'storage' : '')
    setLive(navigator.onLine ? 'reconnecting' : 'offline')
  }
}

await loadWords()
setUpPairing(enter)
setUpFilters(() => list.show())
at('sound').addEventListener('click', () => {
  mute(!muted())
  showSound()
})
at('awake-label').hidden = !('wakeLock' in navigator)
at('awake').checked = localStorage.getItem('awake') === 'yes'
at('awake').addEventListener('change', keepAwake)
for (const touch of ['pointerup', 'keyup']) addEventListener(touch, wakeSound)
document.addEventListener('visibilitychange', () => {
  list?.tick()
  if (at('awake').checked) keepAwake() // a browser lets go of it whenever the page is hidden
})
setInterval(() => list?.tick(), 1000)
setInterval(() => list?.show(), 30_000)
if ('serviceWorker' in navigator) navigator.serviceWorker.register('/sw.js').catch(() => {})
begin()
