// The schema that every peer serves; ours and plain Strawberry have the same shape in Python.
import DataLoader from 'dataloader'

export const typeDefs = `
  type Query { hello(name: String! = "you"): String!  items: [Item!]! }
  type Item { id: ID!  name: String!  description: String!  size: Int!  createdAt: String!  owner: Owner! }
  type Owner { id: ID!  name: String! }
  interface RunEvent { seq: Int!  cursor: String! }
  type TextDelta implements RunEvent { seq: Int!  cursor: String!  text: String! }
  type RunFinished implements RunEvent { seq: Int!  cursor: String!  status: String! }
  type Subscription { runEvents(runId: ID!, after: String): RunEvent! }
`

const owners = new Map(Array.from({ length: 10 }, (_, n) => [n, { id: `owner-${n}`, name: `Owner ${n}` }]))
const items = Array.from({ length: 100 }, (_, n) => ({
  id: `item-${n}`,
  name: `Item ${n}`,
  description: `What item ${n} is about, in a sentence of ordinary length.`,
  size: n * 7,
  createdAt: '2026-01-01T00:00:00+00:00',
  ownerId: n % 10,
}))

export const loadOwners = async (ids) => ids.map((id) => owners.get(id))

export const queries = {
  hello: (_, { name }) => `Hello ${name}`,
  items: () => items,
}

export const makeContext = () => ({ owners: new DataLoader(loadOwners) })
export const ownerOfItem = (item, _, context) => context.owners.load(item.ownerId)
