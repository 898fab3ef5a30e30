// The server's events, from where this page left off; it connects again by itself, also after the phone has slept.

import { whoAmI } from './api.js'

const SILENT_MS = 25_000 // the server says something every 15 s
const LONGEST_WAIT_MS = 15_000

export class Stream {
  #source = null
  #last = ''
  #heard = 0
  #wait = 1000
  #timer = 0
  #stopped = false

  // on: { state(name), event(kind, data), unpaired(), trouble(word) }
  constructor(on) {
    this.on = on
    setInterval(() => this.#look(), 2000)
    addEventListener('online', () => this.open())
    addEventListener('offline', () => {
      this.#source?.close() // it may hang for minutes
      this.#lost()
    })
    document.addEventListener('visibilitychange', () => this.#look())
  }

  open() {
    clearTimeout(this.#timer)
    this.#stopped = false
    this.#source?.close()
    this.#heard = Date.now()
    const source = new EventSource('/api/events' + (this.#last ? `?last=${encodeURIComponent(this.#last)}` : ''))
    this.#source = source
    source.onerror = () => this.#failed(source)
    for (const kind of ['hello', 'alert', 'claim', 'site', 'caught-up', 'beat']) {
      source.addEventListener(kind, event => this.#take(source, kind, event))
    }
  }

  close() {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#source?.close()
  }

  #take(source, kind, event) {
    if (source !== this.#source) return
    this.#heard = Date.now()
    this.#wait = 1000
    if (event.lastEventId) this.#last = event.lastEventId
    this.on.state('live')
    this.on.event(kind, JSON.parse(event.data))
  }

  #failed(source) {
    if (source !== this.#source || this.#stopped) return
    this.#lost()
    if (source.readyState === EventSource.CLOSED) this.#ask() // refused; the browser does not try again
  }

  #lost() {
    if (!this.#stopped) this.on.state(navigator.onLine ? 'reconnecting' : 'offline')
  }

  // A timer that stood still while the phone slept shows at once that nothing was heard for long.
  #look() {
    if (this.#stopped || !this.#source || Date.now() - this.#heard < SILENT_MS) return
    this.#lost()
    this.open()
  }

  async #ask() {
    try {
      if (!await whoAmI()) return this.on.unpaired()
      this.on.trouble('full') // we are welcome and were not let in
    } catch (error) {
      this.on.trouble(error.message === 'storage' ? 'storage' : '')
    }
    this.#timer = setTimeout(() => this.open(), this.#wait * (0.5 + Math.random() / 2))
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS)
  }
}
