// The form in which a code from the administrator is typed; a link may bring it behind its '#'.

import { post } from './api.js'
import { say } from './text.js'

const at = id => document.getElementById(id)
let onPaired = () => {}

export function setUpPairing(whenPaired) {
  onPaired = whenPaired
  at('pair').addEventListener('submit', event => {
    event.preventDefault()
    pair()
  })
}

export function showPairing(problem) {
  at('pairing').hidden = false
  at('pair-problem').textContent = problem
  const { hash } = location
  if (!/^#\d{8}$/.test(hash)) return at('code').focus()
  history.replaceState(null, '', '/') // the code shall not stay in the address
  at('code').value = hash.slice(1)
  pair()
}

async function pair() {
  const code = at('code').value.replace(/[\s-]/g, '')
  if (!/^\d{8}$/.test(code)) return complain(at('code'), say('need_code'))
  const answer = await post('/api/pair', { code, name: at('name').value.trim() }).catch(() => ({ status: 0 }))
  if (answer.status === 200) {
    at('pairing').hidden = true
    at('pair').reset()
    onPaired(answer.body)
  } else if (answer.status === 400) complain(at('name'), say('need_name'))
  else if (answer.status === 429) complain(at('code'), say('wait', { n: Math.ceil(answer.waitS / 60) }))
  else complain(at('code'), say(answer.status === 403 ? 'wrong_code' : 'pair_failed'))
}

function complain(field, text) {
  at('pair-problem').textContent = text
  for (const one of [at('code'), at('name')]) one.ariaInvalid = String(one === field)
  field.focus()
}
