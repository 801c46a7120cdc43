// Runs the operations with graphql-codegen's client preset and graphql-ws, and prints what came back.
import { createClient } from "graphql-ws";
import * as documents from "./preset/graphql.ts";
import type { RunEventsSubscription } from "./preset/graphql.ts";

const { GRAPHQL_URL: url = "", GRAPHQL_TOKEN: token = "", AGENT_NAME: name = "" } = process.env;

async function execute<Result, Variables>(
  document: documents.TypedDocumentString<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ query: document.toString(), variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Result; errors?: unknown };
  if (errors || !data) throw new Error(JSON.stringify(errors));
  return data;
}

/** Read at most `limit` events behind a cursor on a connection of its own. */
async function events(runId: string, after: string, limit: number): Promise<RunEventsSubscription["runEvents"][]> {
  const client = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
  const seen: RunEventsSubscription["runEvents"][] = [];
  const query = documents.RunEventsDocument.toString();
  for await (const { data, errors } of client.iterate<RunEventsSubscription>({ query, variables: { runId, after } })) {
    if (errors || !data) throw new Error(JSON.stringify(errors));
    seen.push(data.runEvents);
    if (seen.length === limit) {
      client.terminate();
      break;
    }
  }
  await client.dispose();
  return seen;
}

const { agents } = await execute(documents.AgentsDocument, { first: 5 });
const { createAgent: refused } = await execute(documents.CreateAgentDocument, { input: { name: "" } });
if (refused?.__typename !== "ValidationError") throw new Error(JSON.stringify(refused));
const { createAgent: created } = await execute(documents.CreateAgentDocument, { input: { name } });
if (created?.__typename !== "CreateAgentPayload") throw new Error(JSON.stringify(created));
const { sendMessage: sent } = await execute(documents.SendMessageDocument, {
  input: { agentId: created.agent.id, text: "What can you do?" },
});
if (sent?.__typename !== "SendMessagePayload") throw new Error(JSON.stringify(sent));
const first = await events(sent.run.id, sent.cursor, 3);
const rest = await events(sent.run.id, first.at(-1)?.cursor ?? "", Infinity);
const finished = rest.at(-1);
if (finished?.__typename !== "RunFinished") throw new Error(JSON.stringify(finished));
const tree = await execute(documents.ConversationTreeDocument, { id: sent.conversation.id });
const { stopRun: stopped } = await execute(documents.StopRunDocument, { input: { runId: sent.run.id } });
if (stopped?.__typename !== "StopRunPayload") throw new Error(JSON.stringify(stopped));

console.log(
  JSON.stringify({
    agents: agents?.nodes.length,
    refusal: refused.code,
    kind: created.agent.kind,
    messages: tree.conversation?.messages.nodes.length,
    first: first.map(({ seq }) => seq),
    rest: rest.map(({ seq }) => seq),
    status: finished.status,
    stopped: stopped.run.status,
  }),
);
