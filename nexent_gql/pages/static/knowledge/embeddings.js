// The embedding model of a knowledge base: which one searches use, what another one would take, and how far a change is.

import * as queries from "../documents/embedding.js";
import { ask } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { readAll } from "../lib/paging.js";
import { batch, computed, signal } from "../lib/ui.js";

const CHANGING = new Set(["EMBEDDING", "REVERTING"]);
const POLL_MS = 2_000; // no event reports the progress

export class EmbeddingStore {
  #baseId;
  #timer = null;
  #isOpen = false;
  base = signal(null); // {embeddingMode, embeddingModel, searchLimitation, embeddingModelChange}
  models = signal([]);
  target = signal(null); // input of the estimate, null while none is chosen
  estimate = signal(null);
  change = computed(() => this.base.value?.embeddingModelChange ?? null);
  isChanging = computed(() => CHANGING.has(this.change.value?.state));

  constructor(baseId) {
    this.#baseId = baseId;
  }

  open = () => attempt(async () => {
    this.#isOpen = true;
    const [models, base] = await Promise.all([readAll(queries.EMBEDDING_MODELS), ask(queries.EMBEDDING_STATE, { id: this.#baseId })]);
    batch(() => {
      this.models.value = models;
      this.#show(base);
    });
  });

  close = () => {
    this.#isOpen = false;
    clearTimeout(this.#timer);
  };

  #show(base) {
    if (base) this.base.value = base;
    clearTimeout(this.#timer);
    if (this.#isOpen && this.isChanging.value) this.#timer = setTimeout(() => this.#poll(), POLL_MS);
  }

  async #poll() {
    const base = await ask(queries.EMBEDDING_STATE, { id: this.#baseId }).catch(() => null);
    if (this.#isOpen) this.#show(base);
  }

  // `target` is an EmbeddingTargetInput, or null.
  choose = (target) => attempt(async () => {
    batch(() => {
      this.target.value = target;
      this.estimate.value = null;
    });
    if (!target) return;
    const estimate = await ask(queries.EMBEDDING_ESTIMATE, { id: this.#baseId, target });
    if (this.target.value === target) this.estimate.value = estimate;
  });

  async start() {
    const input = { knowledgeBaseId: this.#baseId, target: this.target.value };
    await this.#run(queries.CHANGE_EMBEDDING_MODEL, input);
    this.choose(null);
  }

  cancel = () => attempt(() => this.#run(queries.CANCEL_EMBEDDING_MODEL_CHANGE, { knowledgeBaseId: this.#baseId }));
  revert = () => attempt(() => this.#run(queries.REVERT_EMBEDDING_MODEL_CHANGE, { knowledgeBaseId: this.#baseId }));

  async #run(mutation, input) {
    this.#show((await ask(mutation, { input })).knowledgeBase);
  }
}
