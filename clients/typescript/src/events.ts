import { createClient } from "graphql-ws";
import { graphql } from "./generated/gql.ts";
import type { RunEventsSubscription, RunEventsSubscriptionVariables } from "./generated/graphql.ts";
import type { Server } from "./http.ts";

const RUN_EVENTS = graphql(`
  subscription RunEvents($runId: ID!, $after: String) {
    runEvents(runId: $runId, after: $after) {
      __typename
      cursor
      ... on AttemptStarted { attempt text }
      ... on TextDelta { text }
      ... on RunFinished { status error { message } }
    }
  }
`);

export type RunEvent = RunEventsSubscription["runEvents"];

/** Yield each event of a run once and in order until it has ended, whatever happens to the connection meanwhile. */
export async function* runEvents(server: Server, variables: RunEventsSubscriptionVariables): AsyncGenerator<RunEvent> {
  const client = createClient({
    url: server.url.replace(/^http/, "ws"),
    connectionParams: { authorization: `Bearer ${server.token}` },
    retryAttempts: 10,
    shouldRetry: () => true, // also where the server refuses connections for a moment, as while it restarts
  });
  const following = { ...variables }; // sent again whenever the client reconnects, as it is by then
  try {
    const results = client.iterate<RunEventsSubscription>({ query: RUN_EVENTS.toString(), variables: following });
    for await (const { data, errors } of results) {
      if (errors || !data) throw new Error(errors?.map(({ message }) => message).join("\n"));
      following.after = data.runEvents.cursor;
      yield data.runEvents;
    }
  } finally {
    await client.dispose();
  }
}
