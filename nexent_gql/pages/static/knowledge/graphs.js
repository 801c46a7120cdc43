// The graph of a knowledge base: how far it is, its entities, and the relations of one of them.

import { BUILD_GRAPH, GRAPH_ENTITIES, GRAPH_ENTITY, GRAPH_ESTIMATE } from "../documents/graph.js";
import { ask } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { signal } from "../lib/ui.js";

export class GraphStore {
  #baseId;
  status = signal(null); // null without a graph
  estimate = signal(null);
  entities = signal(null); // {entities, isTruncated}
  entity = signal(null); // {name, entities, relations, isTruncated}

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
    if (state === "READY" && this.entities.value) this.load();
  }

  // Reads what the panel shows when it is opened: the entities, or what a graph would cost.
  load = () => attempt(async () => {
    if (this.status.value) this.entities.value = await ask(GRAPH_ENTITIES, { id: this.#baseId });
    else this.estimate.value = await ask(GRAPH_ESTIMATE, { id: this.#baseId });
  });

  find = (name) => attempt(async () => {
    const view = await ask(GRAPH_ENTITY, { id: this.#baseId, entity: name });
    this.entity.value = { name, ...(view ?? { entities: [], relations: [], isTruncated: false }) };
  });

  build = () => attempt(async () => {
    const { graph } = await ask(BUILD_GRAPH, { input: { knowledgeBaseId: this.#baseId } });
    this.status.value = graph;
    await this.load();
  });
}
