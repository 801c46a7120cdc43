// GraphQL documents of the embedding model of a knowledge base.

const ERROR = `... on Error { code message } ... on ValidationError { path }`;

const EMBEDDING = `fragment EmbeddingFields on KnowledgeBase {
  id embeddingMode embeddingModel { id name }
  searchLimitation { code message }
  embeddingModelChange {
    state documentCount embeddedDocumentCount revertibleUntil switchedAt
    embeddingMode embeddingModel { id name } previousEmbeddingMode previousEmbeddingModel { id name }
    problem { code message }
  }
}`;

const PAYLOAD = `knowledgeBase { ...EmbeddingFields }`;

export const EMBEDDING_STATE = `query EmbeddingState($id: ID!) { knowledgeBase(id: $id) { ...EmbeddingFields } }
${EMBEDDING}`;

export const EMBEDDING_MODELS = `query EmbeddingModels($after: String) {
  models(first: 100, kind: EMBEDDING, after: $after) { nodes { id name isDefault } pageInfo { hasNextPage endCursor } }
}`;

export const EMBEDDING_ESTIMATE = `query EmbeddingModelChangeEstimate($id: ID!, $target: EmbeddingTargetInput!) {
  embeddingModelChangeEstimate(knowledgeBaseId: $id, target: $target) {
    documentCount chunkCount tokenCount costUsd durationSeconds
  }
}`;

export const CHANGE_EMBEDDING_MODEL = `mutation ChangeEmbeddingModel($input: ChangeEmbeddingModelInput!) {
  changeEmbeddingModel(input: $input) { __typename ... on ChangeEmbeddingModelPayload { ${PAYLOAD} } ${ERROR} }
}
${EMBEDDING}`;

export const CANCEL_EMBEDDING_MODEL_CHANGE = `mutation CancelEmbeddingModelChange($input: CancelEmbeddingModelChangeInput!) {
  cancelEmbeddingModelChange(input: $input) {
    __typename ... on CancelEmbeddingModelChangePayload { ${PAYLOAD} } ${ERROR}
  }
}
${EMBEDDING}`;

export const REVERT_EMBEDDING_MODEL_CHANGE = `mutation RevertEmbeddingModelChange($input: RevertEmbeddingModelChangeInput!) {
  revertEmbeddingModelChange(input: $input) {
    __typename ... on RevertEmbeddingModelChangePayload { ${PAYLOAD} } ${ERROR}
  }
}
${EMBEDDING}`;
