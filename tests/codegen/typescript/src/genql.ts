// Type-checks the operations against genql's client, with every argument left out that has a default.
import { createClient } from "./genql/index";

export async function operations(url: string) {
  const client = createClient({ url });
  const { agents } = await client.query({ agents: { nodes: { id: true, name: true, kind: true } } });
  const { conversation } = await client.query({
    conversation: {
      __args: { id: agents?.nodes[0]?.id ?? "" },
      activeBranch: { id: true },
      messages: { nodes: { id: true, text: true, parent: { id: true } } },
    },
  });
  const { createAgent } = await client.mutation({
    createAgent: {
      __args: { input: { name: "" } },
      __typename: true,
      on_CreateAgentPayload: { agent: { id: true } },
      on_ValidationError: { code: true, path: true },
    },
  });
  const { sendMessage } = await client.mutation({
    sendMessage: {
      __args: { input: { agentId: "", text: "" } },
      on_SendMessagePayload: { run: { id: true }, cursor: true },
      on_ValidationError: { code: true, path: true },
    },
  });
  const { stopRun } = await client.mutation({
    stopRun: { __args: { input: { runId: "" } }, on_StopRunPayload: { run: { status: true } } },
  });
  return { conversation, createAgent, sendMessage, stopRun };
}
