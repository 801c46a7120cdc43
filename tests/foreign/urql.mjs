// @urql/core: queries by GET and POST, errors, and subscriptions as event streams on its own HTTP exchange.
import { Client, fetchExchange } from "@urql/core";
import { answer, BAD_CURSOR, headers, NO_SUCH_FIELD, run, RUN_EVENTS, short, url, VIEWER } from "./house.mjs";

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

answer({
  viewer: (await client.query(VIEWER, {})).data,
  viewerByGet: (await client.query(VIEWER, {}, byGet)).data,
  wrong: codesOf(await client.query(NO_SUCH_FIELD, {})),
  wrongByGet: codesOf(await client.query(NO_SUCH_FIELD, {}, byGet)),
  badCursor: codesOf(await client.query(BAD_CURSOR, {})),
  whole: await events({ runId: run.id }),
  wrongSubscription: await events({ runId: "garbage" }).catch(codesOf),
});
