// mercurius with jit: `node mercurius.mjs PORT`.
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { loadOwners, queries, typeDefs } from './schema.mjs'
import { runEvents } from './events.mjs'

const app = Fastify()
app.register(mercurius, {
  schema: typeDefs,
  resolvers: {
    Query: queries,
    RunEvent: { resolveType: (event) => event.kind },
    Subscription: { runEvents: { subscribe: (_, { runId }) => runEvents(runId) } },
  },
  loaders: { Item: { owner: (all) => loadOwners(all.map(({ obj }) => obj.ownerId)) } },
  subscription: { fullWsTransport: true },
  jit: 1,
})
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
