// relay-runtime: pages of our connections, forwards from the root and backwards from a node, as its hooks load them.
import {
  createOperationDescriptor, Environment, fetchQuery, getPaginationMetadata, getPaginationVariables, getSelector,
  Network, Observable, RecordSource, requestSubscription, Store,
} from "relay-runtime";
import { createClient } from "graphql-sse";
import { answer, headers, run, short, url } from "../harness.mjs";
import documents_messages from "./__generated__/documents_messages.graphql.js";
import documents_tools from "./__generated__/documents_tools.graphql.js";
import documentsQuery from "./__generated__/documentsQuery.graphql.js";
import documentsRunSubscription from "./__generated__/documentsRunSubscription.graphql.js";

async function fetchOnce({ text }, variables) {
  const body = JSON.stringify({ query: text, variables });
  const response = await fetch(url, {
    method: "POST",
    body,
    headers: { ...headers, "content-type": "application/json", accept: "application/graphql-response+json" },
  });
  return response.json();
}

const events = createClient({ url, headers });
const subscribe = ({ text }, variables) =>
  Observable.create((sink) => events.subscribe({ query: text, variables }, sink));

const environment = new Environment({
  network: Network.create(fetchOnce, subscribe),
  store: new Store(new RecordSource()),
});

/** Load page after page, until there is none; returns what the store then holds as one connection, and the pages. */
async function paged(fragment, reference, direction, size, variables) {
  const { connectionPathInFragmentData: path, paginationRequest, paginationMetadata } =
    getPaginationMetadata(fragment, fragment.name);
  const read = () => path.reduce((value, key) => value[key], environment.lookup(getSelector(fragment, reference)).data);
  for (let pages = 1; ; pages += 1) {
    const { edges, pageInfo } = read();
    const more = direction === "forward" ? pageInfo.hasNextPage : pageInfo.hasPreviousPage;
    if (!more) return { pages, nodes: edges.map(({ node }) => node.name ?? node.role) };
    const cursor = direction === "forward" ? pageInfo.endCursor : pageInfo.startCursor;
    const next = getPaginationVariables(direction, size, cursor, variables, {}, paginationMetadata);
    await fetchQuery(environment, paginationRequest, next).toPromise();
  }
}

const followed = (variables) =>
  new Promise((resolve, reject) => {
    const seen = [];
    requestSubscription(environment, {
      subscription: documentsRunSubscription,
      variables,
      onNext: ({ runEvents }) => seen.push(short(runEvents)),
      onError: reject,
      onCompleted: () => resolve(seen),
    });
  });

const operation = createOperationDescriptor(documentsQuery, { conversationId: run.conversationId });
environment.retain(operation);
await fetchQuery(environment, documentsQuery, operation.request.variables).toPromise();
const root = environment.lookup(operation.fragment).data;
answer({
  tools: await paged(documents_tools, root, "forward", 2, {}),
  messages: await paged(documents_messages, root.conversation, "backward", 1, { id: run.conversationId }),
  whole: await followed({ runId: run.id }),
});
