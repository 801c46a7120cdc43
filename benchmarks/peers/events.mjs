// Runs' events from Redis, as async iterators; one connection for the process.
import Redis from 'ioredis'

const listeners = new Map()
const redis = new Redis(JSON.parse(process.env.PEER_REDIS))

redis.on('message', (channel, payload) => {
  const event = JSON.parse(payload)
  for (const push of listeners.get(channel) ?? []) push(event)
})

function join(channel, push) {
  if (!listeners.has(channel)) {
    listeners.set(channel, new Set())
    redis.subscribe(channel)
  }
  listeners.get(channel).add(push)
}

function leave(channel, push) {
  const waiting = listeners.get(channel)
  waiting?.delete(push)
  if (waiting?.size === 0) {
    listeners.delete(channel)
    redis.unsubscribe(channel)
  }
}

export function runEvents(channel) {
  const queue = []
  let wake = null
  let isOver = false
  const push = (event) => {
    if (wake) {
      const resolve = wake
      wake = null
      resolve({ value: { runEvents: event }, done: false })
    } else queue.push({ runEvents: event })
  }
  join(channel, push)
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    next() {
      if (isOver) return Promise.resolve({ value: undefined, done: true })
      if (queue.length) return Promise.resolve({ value: queue.shift(), done: false })
      return new Promise((resolve) => (wake = resolve))
    },
    return() {
      isOver = true
      leave(channel, push)
      wake?.({ value: undefined, done: true })
      return Promise.resolve({ value: undefined, done: true })
    },
  }
}
