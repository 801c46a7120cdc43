// The graph of a knowledge base: how far it is, its entities, and the relations of one of them.

import { BUILD_GRAPH, DELETE_GRAPH, GRAPH_ENTITIES, GRAPH_ENTITY, GRAPH_ESTIMATE } from "../documents/graph.js";
import { ask } from "../lib/graphql.js";
import { MODEL_CHOICES } from "../documents/models.js";
import { attempt } from "../lib/notices.js";
import { readAll } from "../lib/paging.js";
import { batch, computed, signal } from "../lib/ui.js";

export class GraphStore {
  #baseId;
  status = signal(null); // null without a graph
  estimate = signal(null); // of the passages that are not read yet
  models = signal(null);
  modelId = signal(null); // null is the default model
  entities = signal(null); // {entities, isTruncated}
  entity = signal(null); // {name, entities, relations, isTruncated}

  isIncomplete = computed(() => {
    const status = this.status.value;
    return !status || status.state === "STOPPED" || status.failedPassageCount > 0;
  });

  constructor(baseId) {
    this.#baseId = baseId;
  }

  show({ graph }) {
    this.status.value = graph;
  }

  apply(event) {
    if (event.__typename !== "KnowledgeGraphChanged") return;
    const { graphState: state, graphProblem: problem, passageCount, readPassageCount, failedPassageCount } = event;
    this.status.value = state && { state, problem, passageCount, readPassageCount, failedPassageCount };
    if (!state) this.#forget();
    else if (state === "READY" && this.entities.value) this.load();
  }

  // Reads what the panel shows when it is opened: the entities, or what a graph would cost.
  load = () => attempt(async () => {
    if (this.status.value) this.entities.value = await ask(GRAPH_ENTITIES, { id: this.#baseId });
    if (!this.isIncomplete.value) return;
    this.models.value ??= await readAll(MODEL_CHOICES);
    await this.#estimate();
  });

  async #estimate() {
    const model = this.modelId.value;
    const estimate = await ask(GRAPH_ESTIMATE, { id: this.#baseId, model });
    if (this.modelId.value === model) this.estimate.value = estimate;
  }

  choose = (modelId) => attempt(async () => {
    this.modelId.value = modelId;
    await this.#estimate();
  });

  find = (name) => attempt(async () => {
    const view = await ask(GRAPH_ENTITY, { id: this.#baseId, entity: name });
    this.entity.value = { name, ...(view ?? { entities: [], relations: [], isTruncated: false }) };
  });

  async build() {
    const { graph } = await ask(BUILD_GRAPH, { input: { knowledgeBaseId: this.#baseId, modelId: this.modelId.value } });
    this.status.value = graph;
    await this.load();
  }

  remove = () => attempt(async () => {
    await ask(DELETE_GRAPH, { input: { knowledgeBaseId: this.#baseId } });
    this.#forget();
    await this.load();
  });

  #forget() {
    batch(() => {
      for (const each of [this.status, this.entities, this.entity, this.estimate]) each.value = null;
    });
  }
}
