// graphql-ws: its client, and its close codes.
import { CloseCode, createClient } from "graphql-ws";
import WebSocket from "ws";
import { answer, BAD_CURSOR, headers, NO_SUCH_FIELD, run, RUN_EVENTS, short, socketUrl, VIEWER } from "./harness.mjs";

/** A socket that never begins, opened first: the server waits for it as long as everything else here takes, or longer. */
const silent = new WebSocket(socketUrl, "graphql-transport-ws");
const closedForSilence = new Promise((resolve) => silent.on("close", resolve));

const client = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: headers, retryWait: async () => {} });

async function all(query, variables) {
  const results = [];
  for await (const result of client.iterate({ query, variables })) results.push(result);
  return results;
}

const codesOf = (errors) => errors.map((error) => error.extensions.code);

/** Follow a run, losing the connection after `count` events; the client reconnects and goes on behind the last cursor. */
async function withLostConnection(count) {
  const events = [];
  let cursor = null;
  let finished = false;
  while (!finished) {
    const iterator = client.iterate({ query: RUN_EVENTS, variables: { runId: run.id, after: cursor } });
    finished = true;
    for await (const { data } of iterator) {
      events.push(short(data.runEvents));
      cursor = data.runEvents.cursor;
      if (events.length === count) {
        client.terminate();
        finished = false;
        break;
      }
    }
  }
  return events;
}

/** The code a socket is closed with after these frames; all but the first wait for the first answer. */
function closedBy(protocol, first, ...others) {
  const socket = new WebSocket(socketUrl, protocol);
  const send = (frame) => socket.send(JSON.stringify(frame));
  socket.on("open", () => send(first));
  socket.once("message", () => others.forEach(send));
  return new Promise((resolve) => socket.on("close", resolve));
}

const init = { type: "connection_init", payload: headers };
const follow = { id: "1", type: "subscribe", payload: { query: RUN_EVENTS, variables: { runId: run.id } } };
const transport = "graphql-transport-ws";
const closed = [
  await closedBy(transport, init, { type: "no such type" }),
  await closedBy(transport, { type: "connection_init", payload: { authorization: "Bearer wrong" } }),
  await closedBy([], init),
  await closedBy(transport, init, follow, follow),
  await closedBy(transport, init, init),
  await closedBy(transport, follow),
  await closedForSilence,
];

answer({
  viewer: (await all(VIEWER)).map(({ data }) => data),
  wrong: await all(NO_SUCH_FIELD).catch(codesOf),
  badCursor: codesOf((await all(BAD_CURSOR))[0].errors),
  whole: (await all(RUN_EVENTS, { runId: run.id })).map(({ data }) => short(data.runEvents)),
  resumed: await withLostConnection(2),
  closings: Object.fromEntries(closed.map((code) => [CloseCode[code], code])),
});
await client.dispose();
