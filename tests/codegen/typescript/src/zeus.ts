// Type-checks the operations against graphql-zeus's client, with every input left out that has a default.
import { Chain } from "./zeus/index";

export async function operations(url: string) {
  const chain = Chain(url);
  const { agents } = await chain("query")({ agents: [{}, { nodes: { id: true, name: true, kind: true } }] });
  const { conversation } = await chain("query")({
    conversation: [
      { id: agents?.nodes[0]?.id ?? "" },
      { activeBranch: [{}, { id: true }], messages: [{}, { nodes: { id: true, text: true } }] },
    ],
  });
  const { createAgent } = await chain("mutation")({
    createAgent: [
      { input: { name: "" } },
      { __typename: true, "...on CreateAgentPayload": { agent: { id: true } }, "...on ValidationError": { code: true } },
    ],
  });
  const { sendMessage } = await chain("mutation")({
    sendMessage: [{ input: { agentId: "", text: "" } }, { "...on SendMessagePayload": { cursor: true } }],
  });
  const { stopRun } = await chain("mutation")({
    stopRun: [{ input: { runId: "" } }, { "...on StopRunPayload": { run: { status: true } } }],
  });
  return { conversation, createAgent, sendMessage, stopRun };
}
