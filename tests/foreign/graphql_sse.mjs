// graphql-sse: its client in the mode of distinct connections.
import { createClient } from "graphql-sse";
import { answer, BAD_CURSOR, headers, NO_SUCH_FIELD, run, RUN_EVENTS, short, url, VIEWER } from "./harness.mjs";

const client = createClient({ url, headers, singleConnection: false, retryAttempts: 0 });

async function all(query, variables) {
  const results = [];
  for await (const result of client.iterate({ query, variables })) results.push(result);
  return results;
}

const codesOf = ([{ errors }]) => errors.map((error) => error.extensions.code);

async function leftAfter(count) {
  const events = [];
  for await (const { data } of client.iterate({ query: RUN_EVENTS, variables: { runId: run.id } })) {
    if (events.push(short(data.runEvents)) === count) break;
  }
  return events;
}

answer({
  viewer: (await all(VIEWER)).map(({ data }) => data),
  wrong: codesOf(await all(NO_SUCH_FIELD)),
  badCursor: codesOf(await all(BAD_CURSOR)),
  whole: (await all(RUN_EVENTS, { runId: run.id })).map(({ data }) => short(data.runEvents)),
  left: await leftAfter(2),
});
client.dispose();
