// Keeps the page's files, so that it opens without a network and can say so. Never anything of /api.
const CACHE = 'vestibule-1'
const FILES = [
  '/', '/page.css', '/icon.svg', '/api/words', '/page.js', '/api.js', '/cards.js', '/filters.js', '/list.js', '/pairing.js',
  '/sound.js', '/status.js', '/stream.js', '/text.js',
]

self.addEventListener('install', event => {
  event.waitUntil(caches.open(CACHE).then(cache => cache.addAll(FILES)).then(() => self.skipWaiting()))
})

self.addEventListener('activate', event => {
  const drop = names => Promise.all(names.filter(name => name !== CACHE).map(name => caches.delete(name)))
  event.waitUntil(caches.keys().then(drop).then(() => self.clients.claim()))
})

self.addEventListener('fetch', event => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== self.location.origin) return
  if (pathname.startsWith('/api/') && pathname !== '/api/words') return
  event.respondWith(fresh(request, pathname === '/pair' ? '/' : pathname))
})

// The network's answer if there is one, else the kept one: an update of the server is seen at the next opening.
async function fresh(request, name) {
  const cache = await caches.open(CACHE)
  try {
    const answer = await fetch(request)
    if (answer.ok) await cache.put(name, answer.clone())
    return answer
  } catch (error) {
    const kept = await cache.match(name)
    if (kept) return kept
    throw error
  }
}
