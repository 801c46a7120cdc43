// GraphiQL with our own client: subscriptions come over graphql-transport-ws and resume by cursor.

import { RUN_EVENTS } from "./documents/chat.js";
import { follow } from "./lib/graphql.js";
import { token } from "./lib/session.js";

const AGENTS = `# The agents of your tenant. Press Ctrl+Enter.
query Agents {
  agents(first: 10) {
    edges { node { id name kind description effectiveModel { name } } }
  }
}`;

const SEND = `# Take an agent's id from the first tab.
mutation Send($agentId: ID!, $text: String!) {
  sendMessage(input: { agentId: $agentId, text: $text }) {
    ... on SendMessagePayload { run { id status } conversation { id } cursor }
    ... on Error { message code }
  }
}`;

const CONVERSATIONS = `query Conversations {
  conversations(first: 10) {
    totalCount
    edges { node { id title updatedAt latestRun { status } } }
    pageInfo { hasNextPage endCursor }
  }
}`;

const isSubscription = (parameters, options) => {
  const definitions = options?.documentAST?.definitions ?? [];
  const named = definitions.filter((each) => each.kind === "OperationDefinition");
  const chosen = named.find((each) => each.name?.value === parameters.operationName) ?? named[0];
  return chosen?.operation === "subscription";
};

async function* subscription({ query, variables }) {
  const waiting = [];
  let wake = () => {};
  let end;
  const stop = follow(query, variables ?? {}, {
    onEvent: (event) => (waiting.push({ data: { event } }), wake()),
    onEnd: (error) => ((end = { error }), wake()),
  });
  try {
    while (true) {
      while (waiting.length) yield waiting.shift();
      if (end?.error) yield { errors: [{ message: end.error.message }] };
      if (end) return;
      await new Promise((resolve) => (wake = resolve));
    }
  } finally {
    stop();
  }
}

async function fetcher(parameters, options) {
  if (isSubscription(parameters, options)) return subscription(parameters);
  const headers = { "Content-Type": "application/json", Accept: "application/json", ...options?.headers };
  if (!Object.keys(headers).some((name) => name.toLowerCase() === "authorization")) {
    const bearer = await token();
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
  }
  const answer = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify(parameters) });
  return answer.json();
}

// Returns the tab with the document that the fragment of the address has, as the chat page links to it.
function linkedTabs() {
  try {
    const { query, variables } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    return typeof query === "string" ? [{ query, variables: String(variables ?? "") }] : [];
  } catch {
    return [];
  }
}

const bearer = await token();
const headers = bearer ? JSON.stringify({ Authorization: `Bearer ${bearer}` }, null, 2) : "";
const root = globalThis.ReactDOM.createRoot(document.getElementById("graphiql"));
root.render(
  globalThis.React.createElement(globalThis.GraphiQL, {
    fetcher,
    headers,
    shouldPersistHeaders: false,
    storage: { getItem: () => null, setItem: () => {}, removeItem: () => {}, clear: () => {}, length: 0 },
    defaultTabs: [
      ...linkedTabs().map((tab) => ({ ...tab, headers })),
      { query: AGENTS, headers },
      { query: SEND, headers, variables: '{ "agentId": "", "text": "What is 12 * 34?" }' },
      { query: RUN_EVENTS, headers, variables: '{ "run": "" }' },
      { query: CONVERSATIONS, headers },
    ],
  }),
);
