// Reads a connection to its end, for lists that are short by nature.

import { ask } from "./graphql.js";

const MAX_NODES = 1_000;

export async function readAll(document, variables = {}) {
  const all = [];
  let after = null;
  do {
    const { nodes, pageInfo } = await ask(document, { ...variables, after });
    all.push(...nodes);
    after = pageInfo.hasNextPage && all.length < MAX_NODES ? pageInfo.endCursor : null;
  } while (after);
  return all;
}
