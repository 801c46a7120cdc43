// PostGraphile over the tables of an installation: `node server.mjs PORT`.
// PEER_DATABASE is the login for tenants' work, PEER_TENANT the tenant that row-level security lets it read.
import { createServer } from 'node:http'
import utils from 'graphile-utils'
import { postgraphile } from 'postgraphile'

// A conversation has no foreign key to its active message; PostGraphile needs to know the relation.
const relations = utils.makeJSONPgSmartTagsPlugin({
  version: 1,
  config: {
    class: {
      conversation: {
        tags: { foreignKey: '(tenant_id, active_message_id) references message (tenant_id, id)|@fieldName activeMessage' },
      },
    },
  },
})

const handle = postgraphile(process.env.PEER_DATABASE, 'public', {
  appendPlugins: [relations],
  disableDefaultMutations: true,
  disableQueryLog: true,
  pgSettings: { 'app.tenant_id': process.env.PEER_TENANT },
  retryOnInitFail: false,
})
createServer(handle).listen(Number(process.argv[2]), '127.0.0.1')
