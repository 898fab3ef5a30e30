// The alerts as they stand, newest first, with who claimed them.

import { post } from './api.js'
import { Card } from './cards.js'
import { fillFilters, passes } from './filters.js'
import { say } from './text.js'

const SILENT_MS = 5000 // a daemon decides within milliseconds
const at = id => document.getElementById(id)
const keyOf = ({ site, alert_id }) => `${site}/${alert_id}`

export class List {
  #alerts = new Map()
  #claims = new Map()
  #attempts = new Map() // of this device: { failed?: word }
  #cards = new Map()
  #severalSites = false

  // about: this device and how long things last; nowS: the server's time; announce: says something aloud
  constructor({ about, nowS, announce, unpaired }) {
    Object.assign(this, { about, nowS, announce, unpaired })
  }

  // Returns whether it is new. It is seen once `show` is called.
  addAlert(alert) {
    const known = this.#alerts.has(keyOf(alert))
    this.#alerts.set(keyOf(alert), alert)
    return !known
  }

  addClaim(claim) {
    this.#claims.set(keyOf(claim), claim)
    this.#showCard(keyOf(claim))
    this.#showTitle()
  }

  setSeveralSites(yes) {
    if (yes === this.#severalSites) return
    this.#severalSites = yes
    this.clear()
  }

  clear() {
    for (const { element } of this.#cards.values()) element.remove()
    this.#cards.clear()
  }

  // Those of `alerts` that somebody should still look after and this phone wants to see.
  calling(alerts) {
    return alerts.filter(alert => passes(alert) && this.#isOpen(alert))
  }

  cardOf(alert) {
    return this.#cards.get(keyOf(alert))
  }

  show(arriving = null) {
    this.#forgetOld()
    const all = [...this.#alerts.values()]
    fillFilters(all, this.#severalSites)
    const shown = all.filter(passes).sort((a, b) => b.raised_at_s - a.raised_at_s)
    this.#place(shown, arriving)
    at('empty').hidden = shown.length > 0
    at('show-all').hidden = !all.length
    at('empty-text').textContent = say(all.length ? 'none_match' : 'none_yet')
    this.tick()
    this.#showTitle()
  }

  // Once a second: ages, and nothing else.
  tick() {
    for (const card of this.#cards.values()) card.age(this.nowS(), this.about.alert_ttl_s)
  }

  #isOpen(alert) {
    return !this.#claims.has(keyOf(alert)) && this.nowS() - alert.raised_at_s <= this.about.alert_ttl_s
  }

  // Cards that stay are not touched: focus and scrolling stay where they are.
  #place(shown, arriving) {
    const wanted = new Set(shown.map(keyOf))
    for (const [key, { element }] of this.#cards) {
      if (wanted.has(key)) continue
      element.remove()
      this.#cards.delete(key)
    }
    let place = at('cards').firstElementChild
    for (const alert of shown) {
      const element = (this.cardOf(alert) ?? this.#makeCard(alert, alert === arriving)).element
      if (element === place) place = place.nextElementSibling
      else at('cards').insertBefore(element, place)
    }
  }

  #makeCard(alert, arriving) {
    const key = keyOf(alert)
    const options = { severalSites: this.#severalSites, onClaim: () => this.#claim(key), arriving }
    this.#cards.set(key, new Card(alert, options))
    this.#showCard(key)
    return this.#cards.get(key)
  }

  #showCard(key) {
    const claim = this.#claims.get(key)
    const mine = claim?.claim_id.startsWith(`${this.about.device_id}-`) ?? false
    this.#cards.get(key)?.show(claim, mine, this.#attempts.get(key))
  }

  #showTitle() {
    const open = [...this.#alerts.values()].filter(alert => this.#isOpen(alert)).length
    document.title = open ? `(${open}) Vestibule` : 'Vestibule'
  }

  #forgetOld() {
    for (const [key, alert] of this.#alerts) {
      if (this.nowS() - alert.raised_at_s <= this.about.retention_s) continue
      for (const map of [this.#alerts, this.#claims, this.#attempts]) map.delete(key)
    }
  }

  async #claim(key) {
    const { site, alert_id } = this.#alerts.get(key)
    this.#attempts.set(key, {})
    this.#showCard(key)
    const failed = await post('/api/claim', { site, alert_id }).then(answer => this.#whyNot(answer), () => 'network')
    if (failed) this.#fail(key, failed)
    else setTimeout(() => this.#fail(key, 'silent'), SILENT_MS) // unless the daemon answers before
  }

  #whyNot({ status, body }) {
    if (status === 202) return ''
    if (status === 401) this.unpaired()
    if (status === 404) return 'gone'
    return ['disconnected', 'denied'].includes(body.result) ? body.result : 'network'
  }

  #fail(key, failed) {
    if (this.#claims.has(key) || this.#attempts.get(key)?.failed) return
    this.#attempts.set(key, { failed })
    this.#showCard(key)
    this.announce(say(`failed_${failed}`))
  }
}
