// One card an alert: what, where, when, how sure, and who goes.

import { ago, garments, say } from './text.js'

const template = document.getElementById('card')

export class Card {
  // onClaim: called when the person presses the button
  constructor(alert, { severalSites, onClaim, arriving }) {
    this.alert = alert
    this.element = template.content.firstElementChild.cloneNode(true)
    const find = selector => this.element.querySelector(selector)
    this.parts = { time: find('time'), outcome: find('.outcome'), button: find('button') }
    this.what = garments(alert.garments)
    this.where = [...(severalSites ? [alert.site] : []), alert.camera, ...alert.zones].join(' · ')
    const sure = find('.sure')
    sure.textContent = say(alert.confidence)
    sure.title = say(`${alert.confidence}_why`)
    sure.classList.add(alert.confidence)
    find('h3').textContent = this.what
    find('.where span').textContent = this.where
    this.parts.time.dateTime = new Date(alert.raised_at_s * 1000).toISOString()
    this.parts.button.addEventListener('click', () => {
      if (this.parts.button.ariaDisabled !== 'true') onClaim()
    })
    if (arriving) {
      this.element.classList.add('arriving')
      this.element.addEventListener('animationend', () => this.element.classList.remove('arriving'))
    }
  }

  // Set the age alone, once a second; nothing else is touched, and a screen reader says nothing.
  age(nowS, ttlS) {
    const seconds = Math.max(0, nowS - this.alert.raised_at_s)
    set(this.parts.time, ago(seconds, this.alert.raised_at_s * 1000))
    this.element.classList.toggle('late', seconds > ttlS)
  }

  // claim: who goes, if anybody; mine: whether that is this device; attempt: what became of this device's own press
  show(claim, mine, attempt) {
    const { outcome, button } = this.parts
    const failed = !claim && attempt?.failed
    set(outcome, claim ? taken(claim, mine, attempt) : failed ? say(`failed_${attempt.failed}`) : '')
    this.element.classList.toggle('mine', Boolean(claim) && mine)
    this.element.classList.toggle('taken', Boolean(claim) && !mine)
    this.element.classList.toggle('failed', Boolean(failed))
    const hadFocus = document.activeElement === button
    button.hidden = Boolean(claim)
    if (hadFocus && button.hidden) this.element.focus() // or a keyboard's place on the page would be lost
    const waiting = Boolean(attempt) && !failed
    button.ariaDisabled = String(waiting)
    set(button, say(waiting ? 'claiming' : failed ? 'again' : 'claim'))
    button.ariaLabel = waiting ? null : say('claim_of', { what: this.what, where: this.where })
  }
}

function taken(claim, mine, attempt) {
  if (mine) return say('mine')
  return say(attempt ? 'faster' : 'taken', { name: claim.by })
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text
}
