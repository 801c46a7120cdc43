// A GraphQL client in plain JavaScript: fetch for queries, graphql-transport-ws for subscriptions that
// survive a lost connection by resuming behind the last cursor they saw.

const SESSION = "nexent.session";

export class GraphQLFailure extends Error {
  constructor(errors) {
    super(errors.map((error) => error.message).join(" "));
    this.code = errors[0]?.extensions?.code;
  }
}

export const session = {
  read: () => JSON.parse(sessionStorage.getItem(SESSION) ?? "null"),
  write: (value) => sessionStorage.setItem(SESSION, JSON.stringify(value)),
  clear: () => sessionStorage.removeItem(SESSION),
};

async function post(query, variables, token) {
  const headers = { "Content-Type": "application/json", Accept: "application/graphql-response+json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const body = await answer.json();
  if (body.errors?.length) throw new GraphQLFailure(body.errors);
  return body.data;
}

const REFRESH = `mutation ($token: String!) { refreshSession(input: {refreshToken: $token}) {
  ... on RefreshSessionPayload { accessToken expiresAt refreshToken } ... on Error { message } } }`;

async function demoSession() {
  const answer = await fetch("/session/demo", { method: "POST", headers: { "Content-Type": "application/json" } });
  return answer.ok ? answer.json() : null;
}

let renewing = null;

// Returns a token that is valid for at least a few seconds, or null when somebody has to sign in.
export async function token() {
  const known = session.read();
  if (known && Date.parse(known.expiresAt) - Date.now() > 15_000) return known.accessToken;
  renewing ??= renew(known).finally(() => (renewing = null));
  return renewing;
}

async function renew(known) {
  let next = null;
  if (known?.refreshToken) next = (await post(REFRESH, { token: known.refreshToken })).refreshSession;
  if (!next?.accessToken) next = await demoSession();
  if (!next?.accessToken) {
    session.clear();
    return null;
  }
  session.write(next);
  return next.accessToken;
}

export async function signIn(query, input) {
  const result = Object.values(await post(query, { input }))[0];
  if (!result.accessToken) throw new Error(result.message);
  session.write(result);
}

// Returns the only root field's value; an expected failure (a member of `Error`) is thrown as a sentence.
export async function ask(query, variables = {}) {
  const data = await post(query, variables, await token());
  const value = Object.values(data)[0];
  if (value?.__typename?.endsWith("Error")) throw new Error(value.message);
  return value;
}

// Follows a subscription; `after` is the cursor to begin behind. Calls `onEvent` for each event, once and in order,
// across lost connections, and `onEnd` when the server completes it or refuses it. Returns a function that stops it.
export function follow(query, variables, { after = null, onEvent, onEnd = () => {}, onState = () => {} }) {
  let cursor = after;
  let socket = null;
  let stopped = false;
  let waitMs = 250;

  const finish = (error) => {
    stopped = true;
    socket?.close(1000);
    onEnd(error);
  };

  const connect = async () => {
    const bearer = await token().catch(() => null);
    if (stopped) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}/graphql`, "graphql-transport-ws");
    const send = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => send({ type: "connection_init", payload: bearer ? { Authorization: `Bearer ${bearer}` } : {} });
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "connection_ack") {
        waitMs = 250;
        onState("live");
        send({ id: "1", type: "subscribe", payload: { query, variables: { ...variables, after: cursor } } });
      } else if (message.type === "next") {
        if (message.payload.errors?.length) return finish(new GraphQLFailure(message.payload.errors));
        const event = Object.values(message.payload.data)[0];
        cursor = event.cursor ?? cursor;
        onEvent(event);
      } else if (message.type === "error") {
        finish(new GraphQLFailure(message.payload));
      } else if (message.type === "complete") {
        finish(null);
      } else if (message.type === "ping") {
        send({ type: "pong" });
      }
    };
    socket.onclose = () => {
      if (stopped) return;
      onState("reconnecting");
      setTimeout(connect, waitMs * (0.5 + Math.random()));
      waitMs = Math.min(waitMs * 2, 8_000);
    };
  };

  connect();
  return () => {
    stopped = true;
    socket?.close(1000);
  };
}
