// The documents of a knowledge base, those that are still being uploaded included.

import * as queries from "../documents/knowledge.js";
import { ask } from "../lib/graphql.js";
import { randomId } from "../lib/ids.js";
import { attempt } from "../lib/notices.js";
import { batch, signal } from "../lib/ui.js";
import { uploadFile } from "../lib/uploads.js";
import { BatchSender } from "./batches.js";

export class DocumentStore {
  #baseId;
  #cursor = null;
  #sender;
  documents = signal([]);
  uploads = signal([]); // {id, path, file, progress, error, stored}
  totalCount = signal(null);
  hasMore = signal(false);

  constructor(baseId) {
    this.#baseId = baseId;
    this.#sender = new BatchSender(baseId, (uploads) => this.#forget(new Set(uploads)));
  }

  async load() {
    const { nodes, pageInfo, totalCount } = await ask(queries.DOCUMENTS, { id: this.#baseId, after: this.#cursor });
    batch(() => {
      const ids = new Set(this.documents.value.map(({ id }) => id));
      this.documents.value = [...this.documents.value, ...nodes.filter(({ id }) => !ids.has(id))];
      this.totalCount.value = totalCount;
      this.hasMore.value = pageInfo.hasNextPage;
    });
    this.#cursor = pageInfo.endCursor;
  }

  // Takes over what has happened to the documents, whoever added or changed them.
  apply({ __typename, documentId, document }) {
    if (__typename === "DocumentDeleted" || (__typename === "DocumentStateChanged" && !document)) this.#drop(documentId);
    else if (document) this.#put(document);
    else if (__typename === "DocumentEventGap") attempt(() => this.#reload());
  }

  async #reload() {
    this.documents.value = [];
    this.#cursor = null;
    await this.load();
  }

  // Shows a document; a new one comes first.
  #put(document) {
    const documents = this.documents.value;
    const index = documents.findIndex(({ id }) => id === document.id);
    if (index >= 0) this.documents.value = documents.with(index, document);
    else {
      batch(() => {
        this.documents.value = [document, ...documents];
        this.totalCount.value += 1;
      });
    }
  }

  #drop(documentId) {
    const left = this.documents.value.filter(({ id }) => id !== documentId);
    if (left.length === this.documents.value.length) return;
    batch(() => {
      this.documents.value = left;
      this.totalCount.value -= 1;
    });
  }

  // Uploads files and adds them as documents, many with one call; a failed one stays in the list with its reason.
  add(files) {
    const uploads = files.map(({ file, path }) => ({ id: randomId(), path, file, stored: null, progress: signal(0), error: signal(null) }));
    this.uploads.value = [...this.uploads.value, ...uploads];
    uploads.forEach((upload) => this.send(upload));
  }

  async send(upload) {
    upload.error.value = null;
    try {
      upload.stored ??= await uploadFile(upload.file, { onProgress: (progress) => (upload.progress.value = progress) });
      this.#sender.push(upload);
    } catch (error) {
      upload.error.value = error;
    }
  }

  dismiss = (upload) => this.#forget(new Set([upload]));

  #forget(uploads) {
    this.uploads.value = this.uploads.value.filter((upload) => !uploads.has(upload));
  }

  cancel = (document) => this.#change(queries.CANCEL_DOCUMENT, { documentId: document.id });
  reprocess = (document) => this.#change(queries.REPROCESS_DOCUMENT, { documentId: document.id });

  // Gives a document a new version. Searches find the present one until the new one is ready.
  replace = (document, file) => attempt(async () => {
    const { id } = await uploadFile(file);
    await this.#change(queries.REPLACE_DOCUMENT, { documentId: document.id, source: { file: { fileId: id } } });
  });

  #change(mutation, input) {
    return attempt(async () => this.#put((await ask(mutation, { input })).document));
  }

  async addUrl(url) {
    const input = { knowledgeBaseId: this.#baseId, clientId: randomId(), source: { url: { url } } };
    this.#put((await ask(queries.ADD_DOCUMENT, { input })).document);
  }

  async remove({ id }) {
    await ask(queries.DELETE_DOCUMENT, { input: { documentId: id } });
    this.#drop(id);
  }
}
