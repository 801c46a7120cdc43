// @apollo/client: cache, errors, multipart subscriptions.
import { ApolloClient, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";
import { filter, firstValueFrom } from "rxjs";
import { answer, BAD_CURSOR, headers, NO_SUCH_FIELD, run, RUN_EVENTS, short, url, VIEWER } from "./house.mjs";

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

answer({
  viewer: await query(VIEWER),
  wrong: await query(NO_SUCH_FIELD).catch(codesOf),
  badCursor: await query(BAD_CURSOR).catch(codesOf),
  tools: await toolsPagedIntoTheCache(),
  whole: await events({ runId: run.id }),
  wrongSubscription: await events({ runId: "garbage" }).catch(codesOf),
});
client.stop();
