// GraphQL documents of knowledge graphs.

const ERROR = `... on Error { code message } ... on ValidationError { path }`;

const GRAPH = `fragment GraphFields on KnowledgeGraph {
  state passageCount readPassageCount failedPassageCount problem { code message retryable }
}`;

const CHUNK = `fragment PassageFields on DocumentChunk {
  id text headings unitKind unitNumber unitName attachment document { id name title }
}`;

export const GRAPH_ESTIMATE = `query GraphEstimate($id: ID!, $model: ID) {
  knowledgeGraphEstimate(knowledgeBaseId: $id, modelId: $model) { passages calls costUsd }
}`;

export const GRAPH_ENTITIES = `query GraphEntities($id: ID!) {
  graph(knowledgeBaseId: $id) { isTruncated entities { name kind passageCount } }
}`;

export const GRAPH_ENTITY = `query GraphEntity($id: ID!, $entity: String!) {
  graph(knowledgeBaseId: $id, entity: $entity, depth: 1) {
    isTruncated
    entities { name aliases kind passageCount }
    relations { label passageCount source { name } target { name } passages { ...PassageFields } }
  }
}
${CHUNK}`;

export const BUILD_GRAPH = `mutation BuildKnowledgeGraph($input: BuildKnowledgeGraphInput!) {
  buildKnowledgeGraph(input: $input) {
    __typename ... on BuildKnowledgeGraphPayload { graph { ...GraphFields } } ${ERROR}
  }
}
${GRAPH}`;

export const DELETE_GRAPH = `mutation DeleteKnowledgeGraph($input: DeleteKnowledgeGraphInput!) {
  deleteKnowledgeGraph(input: $input) { __typename ${ERROR} }
}`;
