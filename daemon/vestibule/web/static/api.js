// Questions to the server.

// Gives { status, body, waitS }; throws where nothing answers.
export async function post(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(8000),
  })
  return { status: answer.status, body: await answer.json().catch(() => ({})), waitS: answer.headers.get('Retry-After') }
}

// Who this device is; null if it is not paired. Throws where nothing answers, or an error does.
export async function whoAmI() {
  const answer = await fetch('/api/me', { signal: AbortSignal.timeout(8000) })
  if (answer.status === 204) return null
  if (!answer.ok) throw new Error(answer.status === 503 ? 'storage' : '')
  return answer.json()
}
