// Queries and mutations by HTTP, subscriptions by graphql-ws over one shared WebSocket.

import "../graphql-ws.js";
import { GraphQLError, post, record } from "./http.js";
import { expireToken, token } from "./session.js";
import { signal } from "./ui.js";

// "idle" without a subscription, else "connecting", "live" or "offline".
export const connection = signal("idle");

const MAX_WAIT_MS = 8_000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Returns the values of all root fields, by name.
export async function askAll(document, variables = {}) {
  return post(document, variables, await token()).catch(async (error) => {
    if (error.code !== "UNAUTHENTICATED") throw error;
    expireToken();
    return post(document, variables, await token());
  });
}

// Returns the value of the only root field. A member of `Error` is thrown, with the path of the invalid field.
export async function ask(document, variables = {}) {
  const [value] = Object.values(await askAll(document, variables));
  if (value?.__typename?.endsWith("Error")) throw new GraphQLError(value.message, { ...value, isRetryable: value.__typename === "UnavailableError", isResult: true });
  return value;
}

const { protocol, host } = location;
const client = globalThis.graphqlWs.createClient({
  url: `${protocol === "https:" ? "wss:" : "ws:"}//${host}/graphql`,
  connectionParams: async () => {
    const bearer = await token().catch(() => null);
    return bearer ? { Authorization: `Bearer ${bearer}` } : {};
  },
  keepAlive: 10_000,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  retryWait: async (attempt) => {
    connection.value = "offline";
    await pause(Math.min(250 * 2 ** attempt, MAX_WAIT_MS) * (0.5 + Math.random()));
  },
  on: {
    connecting: () => (connection.value = connection.value === "offline" ? "offline" : "connecting"),
    connected: () => (connection.value = "live"),
    closed: (event) => {
      if (event?.code === 4403) expireToken();
      connection.value = event?.code === 1000 ? "idle" : "offline";
    },
    ping: (received) => watchPong(received),
    pong: () => clearTimeout(pongTimer),
  },
});

let pongTimer = null;

// A network that is cut without a word leaves the socket open; a missing pong closes it.
function watchPong(received) {
  if (received) return;
  clearTimeout(pongTimer);
  pongTimer = setTimeout(() => client.terminate(), 5_000);
}

addEventListener("offline", () => client.terminate());

// Follows a subscription from the cursor `after`. `onEvent` gets each event once and in order, across lost connections;
// `onEnd` gets null when the server has completed it, or the error. Returns a function that ends it.
export function follow(document, variables, { after = null, onEvent, onEnd = () => {} }) {
  const current = { ...variables, after };
  let isOver = false;
  let unsubscribe = () => {};
  let attempt = 0;

  const subscribe = () => {
    unsubscribe = client.subscribe({ query: document, variables: current }, {
      next: ({ data, errors }) => {
        if (isOver) return;
        if (errors?.length) return finish(toError(errors));
        attempt = 0;
        const [event] = Object.values(data);
        current.after = event.cursor ?? current.after; // graphql-ws sends these variables again after a reconnect
        onEvent(event);
      },
      complete: () => finish(null),
      error: (reason) => (Array.isArray(reason) ? finish(toError(reason)) : resubscribe()),
    });
  };
  const resubscribe = async () => {
    await pause(Math.min(500 * 2 ** attempt++, MAX_WAIT_MS));
    if (!isOver) subscribe();
  };
  const finish = (error) => {
    if (isOver) return;
    isOver = true;
    unsubscribe();
    onEnd(error);
  };

  record(document, current);
  subscribe();
  return () => {
    isOver = true;
    unsubscribe();
  };
}

function toError(errors) {
  const message = errors.map((error) => error.message).join(" ");
  return new GraphQLError(message, errors[0].extensions ?? {});
}
