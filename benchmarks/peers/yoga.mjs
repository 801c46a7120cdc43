// graphql-yoga with graphql-ws: `node yoga.mjs PORT`.
import { createServer } from 'node:http'
import { useServer } from 'graphql-ws/use/ws'
import { createSchema, createYoga } from 'graphql-yoga'
import { WebSocketServer } from 'ws'
import { makeContext, ownerOfItem, queries, typeDefs } from './schema.mjs'
import { runEvents } from './events.mjs'

const schema = createSchema({
  typeDefs,
  resolvers: {
    Query: queries,
    Item: { owner: ownerOfItem },
    RunEvent: { __resolveType: (event) => event.kind },
    Subscription: { runEvents: { subscribe: (_, { runId }) => runEvents(runId) } },
  },
})
const yoga = createYoga({ schema, context: makeContext, logging: 'error', graphiql: false })
const server = createServer(yoga)
useServer({ schema, context: makeContext }, new WebSocketServer({ server, path: '/graphql' }))
server.listen(Number(process.argv[2]), '127.0.0.1')
