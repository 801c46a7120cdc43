// eventsource: what browsers do with a stream of events, which is to come back with Last-Event-ID when it breaks off.
import { EventSource } from "eventsource";
import { answer, headers, run, RUN_EVENTS, short, url } from "./harness.mjs";

const resumedFrom = [];
const cursors = [];

/** Let the first stream break off behind its third frame. */
async function brokenOnce(input, init) {
  const response = await fetch(input, { ...init, headers: { ...init.headers, ...headers } });
  resumedFrom.push(cursors.indexOf(init.headers["Last-Event-ID"]));
  if (resumedFrom.length > 1) return response;
  let text = "";
  const cut = new TransformStream({
    transform(piece, controller) {
      text += piece;
      const frames = text.split("\n\n");
      if (frames.length <= 3) return;
      controller.enqueue(`${frames.slice(0, 3).join("\n\n")}\n\n`);
      controller.terminate();
    },
  });
  const body = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(cut);
  return new Response(body.pipeThrough(new TextEncoderStream()), response);
}

const address = new URL(url);
address.searchParams.set("query", RUN_EVENTS);
address.searchParams.set("variables", JSON.stringify({ runId: run.id }));
const source = new EventSource(address, { fetch: brokenOnce });
const seen = [];
source.addEventListener("next", ({ data, lastEventId }) => {
  seen.push(short(JSON.parse(data).data.runEvents));
  cursors.push(lastEventId);
});
const waiting = setInterval(() => {}, 1_000); // it waits for its next attempt without keeping the process
await new Promise((resolve) => source.addEventListener("complete", resolve));
source.close();
clearInterval(waiting);
answer({ whole: seen, streams: resumedFrom.length, resumedBehindTheLast: resumedFrom[1] > 0 });
