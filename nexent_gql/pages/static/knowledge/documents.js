// The documents of a knowledge base, those that are still being uploaded included.

import { ADD_DOCUMENT, CANCEL_DOCUMENT, DELETE_DOCUMENT, DOCUMENT_EVENTS, DOCUMENTS, REPROCESS_DOCUMENT } from "../documents/knowledge.js";
import { ask, follow } from "../lib/graphql.js";
import { randomId } from "../lib/ids.js";
import { attempt } from "../lib/notices.js";
import { batch, signal } from "../lib/ui.js";
import { uploadFile } from "../lib/uploads.js";

export class DocumentStore {
  #baseId;
  #cursor = null;
  #stopFollowing = () => {};
  documents = signal([]);
  uploads = signal([]); // {id, path, file, progress, error}
  totalCount = signal(null);
  hasMore = signal(false);

  constructor(baseId) {
    this.#baseId = baseId;
  }

  async load() {
    const { nodes, pageInfo, totalCount } = await ask(DOCUMENTS, { id: this.#baseId, after: this.#cursor });
    batch(() => {
      const ids = new Set(this.documents.value.map(({ id }) => id));
      this.documents.value = [...this.documents.value, ...nodes.filter(({ id }) => !ids.has(id))];
      this.totalCount.value = totalCount;
      this.hasMore.value = pageInfo.hasNextPage;
    });
    this.#cursor = pageInfo.endCursor;
  }

  // Follows what happens to the documents, whoever adds or changes them.
  watch(eventsCursor) {
    const onEvent = (event) => this.#apply(event);
    this.#stopFollowing = follow(DOCUMENT_EVENTS, { base: this.#baseId }, { after: eventsCursor, onEvent });
  }

  close() {
    this.#stopFollowing();
  }

  #apply({ __typename, documentId, document }) {
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

  // Uploads files and adds each as a document; a failed one stays in the list with its reason.
  add(files) {
    const uploads = files.map(({ file, path }) => ({ id: randomId(), path, file, progress: signal(0), error: signal(null) }));
    this.uploads.value = [...this.uploads.value, ...uploads];
    uploads.forEach((upload) => this.send(upload));
  }

  async send(upload) {
    upload.error.value = null;
    try {
      const stored = await uploadFile(upload.file, { onProgress: (progress) => (upload.progress.value = progress) });
      const source = { file: { fileId: stored.id, name: upload.path.split("/").at(-1) } };
      const input = { knowledgeBaseId: this.#baseId, clientId: upload.id, source };
      const { document } = await ask(ADD_DOCUMENT, { input });
      batch(() => {
        this.#put(document);
        this.dismiss(upload);
      });
    } catch (error) {
      upload.error.value = error;
    }
  }

  dismiss(upload) {
    this.uploads.value = this.uploads.value.filter(({ id }) => id !== upload.id);
  }

  cancel = (document) => this.#change(CANCEL_DOCUMENT, document);
  reprocess = (document) => this.#change(REPROCESS_DOCUMENT, document);

  async #change(mutation, { id }) {
    await attempt(async () => this.#put((await ask(mutation, { input: { documentId: id } })).document));
  }

  async addUrl(url) {
    const input = { knowledgeBaseId: this.#baseId, clientId: randomId(), source: { url: { url } } };
    this.#put((await ask(ADD_DOCUMENT, { input })).document);
  }

  async remove({ id }) {
    await ask(DELETE_DOCUMENT, { input: { documentId: id } });
    this.#drop(id);
  }
}
