// The agents that a new conversation can be with.

import { AGENT_CHOICES } from "../documents/agents.js";
import { ask } from "../lib/graphql.js";
import { storage } from "../lib/storage.js";
import { computed, signal } from "../lib/ui.js";

export const agents = signal(null); // null until they are loaded
const choice = signal(storage.read("agent"));

export const chosenAgentId = computed(() => {
  const ids = (agents.value ?? []).map(({ id }) => id);
  return ids.includes(choice.value) ? choice.value : (ids[0] ?? null);
});

export function chooseAgent(id) {
  storage.write("agent", id);
  choice.value = id;
}

export async function loadAgents() {
  const all = [];
  let after = null;
  do {
    const { nodes, pageInfo } = await ask(AGENT_CHOICES, { after });
    all.push(...nodes);
    after = pageInfo.hasNextPage && all.length < 1_000 ? pageInfo.endCursor : null;
  } while (after);
  agents.value = all;
}
