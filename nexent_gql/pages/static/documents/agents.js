// GraphQL documents of agents and their tools.

const ERROR = `... on Error { code message } ... on ValidationError { path }`;

const FIELDS = `fragment AgentFields on Agent {
  id name description instructions greeting starters kind maxSteps toolNames version
  model { id name } route { id name } effectiveModel { id name } knowledgeBases { id name }
}`;

export const AGENT_CHOICES = `query AgentChoices($after: String) {
  agents(first: 100, after: $after) {
    nodes { id name description kind greeting starters effectiveModel { name } route { name } }
    pageInfo { hasNextPage endCursor }
  }
}`;

export const AGENT = `query Agent($id: ID!) { agent(id: $id) { ...AgentFields } }
${FIELDS}`;

export const TOOLS = `query Tools($after: String) {
  tools(first: 100, after: $after) { nodes { name description } pageInfo { hasNextPage endCursor } }
}`;

export const CREATE_AGENT = `mutation CreateAgent($input: CreateAgentInput!) {
  createAgent(input: $input) { __typename ... on CreateAgentPayload { agent { ...AgentFields } } ${ERROR} }
}
${FIELDS}`;

export const UPDATE_AGENT = `mutation UpdateAgent($input: UpdateAgentInput!) {
  updateAgent(input: $input) { __typename ... on UpdateAgentPayload { agent { ...AgentFields } } ${ERROR} }
}
${FIELDS}`;

export const DELETE_AGENT = `mutation DeleteAgent($input: DeleteAgentInput!) {
  deleteAgent(input: $input) { __typename ${ERROR} }
}`;
