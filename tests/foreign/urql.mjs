// @urql/core: queries by GET and POST, errors, deferred parts, and subscriptions as event streams.
import { Client, fetchExchange } from "@urql/core";
import { answer, BAD_CURSOR, headers, NO_SUCH_FIELD, run, RUN_EVENTS, short, url, VIEWER } from "./harness.mjs";

const client = new Client({ url, exchanges: [fetchExchange], fetchSubscriptions: true, fetchOptions: { headers } });

const codesOf = ({ error }) => error.graphQLErrors.map(({ extensions }) => extensions.code);
const byGet = { preferGetMethod: "force" };

const events = (variables) =>
  new Promise((resolve, reject) => {
    const seen = [];
    client.subscription(RUN_EVENTS, variables).subscribe((result) => {
      if (result.error) reject(result);
      else if (result.hasNext) seen.push(short(result.data.runEvents));
      else resolve(seen); // the end repeats the last event
    });
  });

const DEFERRED = 'query { viewer { role ... @defer(label: "user") { user { displayName } } } }';

/** What a view gets to see of a query with a deferred part. */
const deferred = () =>
  new Promise((resolve, reject) => {
    const states = [];
    client.query(DEFERRED, {}).subscribe(({ data, error, hasNext }) => {
      if (error) reject(error);
      states.push({ role: data?.viewer.role, name: data?.viewer.user?.displayName });
      if (!hasNext) resolve(states);
    });
  });

answer({
  viewer: (await client.query(VIEWER, {})).data,
  viewerByGet: (await client.query(VIEWER, {}, byGet)).data,
  wrong: codesOf(await client.query(NO_SUCH_FIELD, {})),
  wrongByGet: codesOf(await client.query(NO_SUCH_FIELD, {}, byGet)),
  badCursor: codesOf(await client.query(BAD_CURSOR, {})),
  whole: await events({ runId: run.id }),
  deferred: await deferred(),
  wrongSubscription: await events({ runId: "garbage" }).catch(codesOf),
});
