// @apollo/client: cache, errors, multipart subscriptions, deferred parts in both formats, automatic persisted queries.
import { createHash } from "node:crypto";
import { ApolloClient, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { Defer20220824Handler, GraphQL17Alpha9Handler } from "@apollo/client/incremental";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { relayStylePagination } from "@apollo/client/utilities";
import { filter, firstValueFrom, lastValueFrom, map, takeWhile, toArray } from "rxjs";
import { answer, BAD_CURSOR, given, headers, NO_SUCH_FIELD, run, RUN_EVENTS, short, url, VIEWER } from "./harness.mjs";

const client = new ApolloClient({
  link: new HttpLink({ uri: url, headers }),
  cache: new InMemoryCache({ typePolicies: { Query: { fields: { tools: relayStylePagination() } } } }),
});

const query = async (text, variables) => (await client.query({ query: gql(text), variables })).data;

const codesOf = (error) => {
  if (!CombinedGraphQLErrors.is(error)) throw error;
  return error.errors.map(({ extensions }) => extensions.code);
};

const TOOLS = `
  query Tools($after: String) {
    tools(first: 2, after: $after) { edges { cursor node { id name } } pageInfo { endCursor hasNextPage } }
  }
`;

/** Read page after page into the cache; returns the names that it then holds as one list. */
async function toolsPagedIntoTheCache() {
  const watched = client.watchQuery({ query: gql(TOOLS) });
  const loaded = () => firstValueFrom(watched.pipe(filter(({ loading }) => !loading)));
  let { tools } = (await loaded()).data;
  while (tools.pageInfo.hasNextPage) {
    await watched.fetchMore({ variables: { after: tools.pageInfo.endCursor } });
    ({ tools } = (await loaded()).data);
  }
  return tools.edges.map(({ node }) => node.name);
}

const events = (variables) =>
  new Promise((resolve, reject) => {
    const seen = [];
    client.subscribe({ query: gql(RUN_EVENTS), variables }).subscribe({
      next: ({ data, error }) => (error ? reject(error) : seen.push(short(data.runEvents))),
      error: reject,
      complete: () => resolve(seen),
    });
  });

/** What a view gets to see of a query with a deferred part: `name` is what is there already of the user. */
async function deferred(incrementalHandler) {
  const link = new HttpLink({ uri: url, headers });
  const deferring = new ApolloClient({ link, cache: new InMemoryCache(), incrementalHandler });
  const watched = deferring.watchQuery({ query: gql(DEFERRED) });
  const states = await lastValueFrom(
    watched.pipe(
      filter(({ data }) => data !== undefined),
      map(({ data, dataState }) => ({ dataState, role: data.viewer.role, name: data.viewer.user?.displayName })),
      takeWhile(({ dataState }) => dataState !== "complete", true),
      toArray(),
    ),
  );
  deferring.stop();
  return states;
}

const DEFERRED = "query Deferred { viewer { role ... @defer(label: \"user\") { user { displayName } } } }";

/** Ask the same twice; returns the answers, and how they were asked for: with the text of the query or its hash. */
async function persisted(options) {
  const requests = [];
  const watchingFetch = (input, init) => {
    const hasText = /[?&{"]query["=]/.test(`${input} ${init.body ?? ""}`);
    requests.push(`${init.method} ${hasText ? "text" : "hash"}`);
    return fetch(input, init);
  };
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  const http = new HttpLink({ uri: url, headers, fetch: watchingFetch });
  const link = new PersistedQueryLink({ sha256, ...options }).concat(http);
  const asking = new ApolloClient({ link, cache: new InMemoryCache() });
  const query = gql(`query Persisted${given.unique} { viewer { role } }`);
  const ask = async () => (await asking.query({ query, fetchPolicy: "network-only" })).data.viewer.role;
  const roles = [await ask(), await ask()];
  asking.stop();
  return { roles, requests };
}

answer({
  viewer: await query(VIEWER),
  wrong: await query(NO_SUCH_FIELD).catch(codesOf),
  badCursor: await query(BAD_CURSOR).catch(codesOf),
  tools: await toolsPagedIntoTheCache(),
  whole: await events({ runId: run.id }),
  deferredOlder: await deferred(new Defer20220824Handler()),
  deferredNewer: await deferred(new GraphQL17Alpha9Handler()),
  persisted: await persisted({}),
  persistedByGet: await persisted({ useGETForHashedQueries: true }),
  wrongSubscription: await events({ runId: "garbage" }).catch(codesOf),
});
client.stop();
