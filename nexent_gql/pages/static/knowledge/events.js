// The events of a knowledge base, for the stores that show its documents and its summaries.

import { DOCUMENT_EVENTS } from "../documents/knowledge.js";
import { FrameQueue } from "../lib/frames.js";
import { follow } from "../lib/graphql.js";
import { batch } from "../lib/ui.js";

// Passes all events behind a cursor to `apply` of each store. Returns a function that ends it.
export function watchBase(baseId, eventsCursor, stores) {
  const queue = new FrameQueue((events) => batch(() => events.forEach((event) => stores.forEach((store) => store.apply(event)))));
  return follow(DOCUMENT_EVENTS, { base: baseId }, { after: eventsCursor, onEvent: (event) => queue.push(event) });
}
