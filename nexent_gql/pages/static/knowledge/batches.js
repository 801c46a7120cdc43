// Adds uploaded files as documents, up to a hundred with one call. The events of the base show the documents.

import { ADD_DOCUMENT, ADD_DOCUMENTS } from "../documents/knowledge.js";
import { ask } from "../lib/graphql.js";
import { randomId } from "../lib/ids.js";
import { withRetries } from "../lib/retries.js";

const MAX_SOURCES = 100;
const PAUSE_MS = 300; // files whose uploads end within it go together

const sourceOf = ({ stored, path }) => ({ file: { fileId: stored.id, name: path.split("/").at(-1) } });

export class BatchSender {
  #baseId;
  #onAdded;
  #waiting = [];
  #timer = null;

  // `onAdded` gets the uploads that have become documents.
  constructor(baseId, onAdded) {
    this.#baseId = baseId;
    this.#onAdded = onAdded;
  }

  push(upload) {
    this.#waiting.push(upload);
    if (this.#waiting.length >= MAX_SOURCES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), PAUSE_MS);
  }

  #flush() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const uploads = this.#waiting.splice(0, MAX_SOURCES);
    // Uploads of a call whose outcome is unknown are sent again exactly as they were, by the same key.
    const calls = new Map(uploads.filter(({ call }) => call).map(({ call }) => [call.clientId, call]));
    for (const call of calls.values()) this.#send(call);
    const others = uploads.filter(({ call }) => !call);
    if (others.length) this.#send({ clientId: randomId(), uploads: others });
  }

  async #send(call) {
    const { clientId, uploads } = call;
    try {
      const input = { knowledgeBaseId: this.#baseId, clientId, sources: uploads.map(sourceOf) };
      await withRetries(() => ask(ADD_DOCUMENTS, { input }));
      this.#onAdded(uploads);
    } catch (error) {
      if (error.isResult) uploads.forEach((upload) => this.#sendAlone(upload));
      else for (const upload of uploads) Object.assign(upload, { call }).error.value = error;
    }
  }

  // One refused file prevents a whole call, so each is tried by itself and gets its own error.
  async #sendAlone(upload) {
    upload.call = null;
    try {
      const input = { knowledgeBaseId: this.#baseId, clientId: upload.id, source: sourceOf(upload) };
      await withRetries(() => ask(ADD_DOCUMENT, { input }));
      this.#onAdded([upload]);
    } catch (error) {
      upload.error.value = error;
    }
  }
}
