// Ask an agent, and print the answer as it is written: node src/ask.ts Assistant "What is 17 * 23?"
import { runEvents } from "./events.ts";
import { graphql } from "./generated/gql.ts";
import { execute } from "./http.ts";

const FIND_AGENT = graphql(`
  query FindAgent($name: String!) {
    agents(first: 1, search: $name) { edges { node { id } } }
  }
`);
const SEND = graphql(`
  mutation Send($input: SendMessageInput!) {
    sendMessage(input: $input) {
      __typename
      ... on SendMessagePayload { cursor run { id } }
      ... on Error { message }
    }
  }
`);

const { GRAPHQL_URL: url = "http://127.0.0.1:5010/graphql", GRAPHQL_TOKEN: token = "" } = process.env;
const [name = "Assistant", text = "What can you do?"] = process.argv.slice(2);
const server = { url, token };

const { agents } = await execute(server, FIND_AGENT, { name });
const agent = agents?.edges[0]?.node;
if (!agent) throw new Error(`There is no agent ${name}.`);

const { sendMessage: sent } = await execute(server, SEND, { input: { agentId: agent.id, text } });
if (sent?.__typename !== "SendMessagePayload") throw new Error(sent?.message);

for await (const event of runEvents(server, { runId: sent.run.id, after: sent.cursor })) {
  if (event.__typename === "TextDelta") process.stdout.write(event.text);
  if (event.__typename === "AttemptStarted" && event.attempt > 1) process.stdout.write(`\n(once more)\n${event.text}`);
  if (event.__typename === "RunFinished") console.log(event.error ? `\n${event.error.message}` : "");
}
