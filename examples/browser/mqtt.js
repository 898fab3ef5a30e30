// As much of MQTT 5 as a page needs: connect, subscribe and publish at QoS 0, over a WebSocket. It keeps no session: what
// comes while the page is closed is not for it. https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html
const bytes = new TextEncoder(), letters = new TextDecoder()
const u16 = n => [n >> 8, n & 255]
const text = s => { const b = bytes.encode(s); return [...u16(b.length), ...b] }
const length = n => n < 128 ? [n] : [n % 128 + 128, ...length(n >> 7)]
const packet = (type, body) => new Uint8Array([type, ...length(body.length), ...body])

// onMessage(topic, text, retained) is told of what comes over `topics`, onState(words) of the connection. Returns
// publish(topic, text).
export function connect({ url, user, password, topics, onMessage, onState }) {
  let socket, timer
  const open = () => {
    socket = new WebSocket(url, 'mqtt')
    socket.binaryType = 'arraybuffer'
    let rest = []
    socket.onopen = () => socket.send(packet(0x10, [ // CONNECT: version 5, clean start, name and password, 30 s, no properties
      ...text('MQTT'), 5, 0xC2, ...u16(30), 0, ...text('page-' + Math.random().toString(36).slice(2)), ...text(user), ...text(password)]))
    socket.onmessage = event => { rest = take([...rest, ...new Uint8Array(event.data)]) }
    socket.onclose = () => { clearInterval(timer); onState('not connected'); setTimeout(open, 2000) }
  }
  const take = data => { // deals with whole packets, returns what is left
    for (;;) {
      let size = 0, at = 1
      do {
        if (at >= data.length) return data
        size += (data[at] & 127) << 7 * (at - 1)
      } while (data[at++] & 128)
      if (data.length < at + size) return data
      handle(data[0], data.slice(at, at + size))
      data = data.slice(at + size)
    }
  }
  const handle = (type, body) => {
    if (type >> 4 === 2 && body[1]) { // CONNACK
      socket.onclose = null
      onState('refused, reason ' + body[1])
    }
    else if (type >> 4 === 2) {
      const filters = topics.flatMap(topic => [...text(topic), 0])
      socket.send(packet(0x82, [...u16(1), 0, ...filters])) // SUBSCRIBE
      timer = setInterval(() => socket.send(packet(0xC0, [])), 15000) // PINGREQ
    } else if (type >> 4 === 9) onState('connected') // SUBACK
    else if (type >> 4 === 3) { // PUBLISH
      const end = 2 + body[0] * 256 + body[1]
      let skip = 0, at = end
      do skip += (body[at] & 127) << 7 * (at - end); while (body[at++] & 128)
      const decode = part => letters.decode(new Uint8Array(part))
      try {
        onMessage(decode(body.slice(2, end)), decode(body.slice(at + skip)), (type & 1) === 1)
      } catch (error) { console.warn('not understood', error) }
    }
  }
  open()
  return (topic, message) => socket.send(packet(0x30, [...text(topic), 0, ...bytes.encode(message)]))
}
