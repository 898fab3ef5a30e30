// A beep made here, and a buzz. Browsers allow sound only after a touch, so the page asks for one.

let context = null

export const muted = () => localStorage.getItem('muted') === 'yes'

export function mute(yes) {
  localStorage.setItem('muted', yes ? 'yes' : 'no')
}

export const asleep = () => !muted() && context?.state !== 'running'

export async function wake() {
  context ??= new AudioContext()
  if (context.state !== 'running') await context.resume()
}

export function ring() {
  if (muted()) return
  if (navigator.userActivation?.hasBeenActive !== false) navigator.vibrate?.([180, 90, 180])
  if (context?.state !== 'running') return
  tone(784, 0)
  tone(1047, 0.16)
}

function tone(hertz, delay) {
  const at = context.currentTime + delay
  const source = new OscillatorNode(context, { frequency: hertz, type: 'triangle' })
  const level = new GainNode(context, { gain: 0 })
  level.gain.linearRampToValueAtTime(0.5, at + 0.015)
  level.gain.exponentialRampToValueAtTime(0.001, at + 0.35)
  source.connect(level).connect(context.destination)
  source.start(at)
  source.stop(at + 0.4)
}
