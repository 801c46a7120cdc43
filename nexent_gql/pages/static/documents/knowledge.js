// GraphQL documents of knowledge bases, documents, chunks and search.

const ERROR = `... on Error { code message } ... on ValidationError { path }`;

const BASE = `fragment BaseFields on KnowledgeBase {
  id name description access isOwned chunkCount updatedAt
  chunking { strategy maxWords overlapWords childWords }
}`;

const DOCUMENT = `fragment DocumentFields on Document {
  id name title mediaType state stage progress attempts version currentVersion chunkCount unitCount updatedAt
  problem { code message retryable }
  partProblems { part message }
}`;

const CHUNK = `fragment ChunkFields on DocumentChunk {
  id text headings unitKind unitNumber unitName attachment start end isEnabled isEdited keywords
}`;

const SUMMARY = `fragment SummaryFields on KnowledgeSummary {
  id state stage progress text isStale documentCount readDocumentCount chunkCount readChunkCount createdAt finishedAt
  problem { code message retryable }
}`;

export const KNOWLEDGE_BASES = `query KnowledgeBases($after: String) {
  knowledgeBases(first: 100, after: $after) { nodes { ...BaseFields } pageInfo { hasNextPage endCursor } }
}
${BASE}`;

export const KNOWLEDGE_BASE = `query KnowledgeBase($id: ID!) {
  knowledgeBase(id: $id) {
    ...BaseFields canWrite eventsCursor
    summary { ...SummaryFields } latestSummary { ...SummaryFields }
    graph { state passageCount readPassageCount failedPassageCount problem { code message retryable } }
  }
}
${BASE}
${SUMMARY}`;

export const KNOWLEDGE_SUMMARIES = `query KnowledgeSummaries($id: ID!) {
  knowledgeBase(id: $id) { id summary { ...SummaryFields } latestSummary { ...SummaryFields } }
}
${SUMMARY}`;

export const SUMMARIZE_KNOWLEDGE_BASE = `mutation SummarizeKnowledgeBase($input: SummarizeKnowledgeBaseInput!) {
  summarizeKnowledgeBase(input: $input) {
    __typename ... on SummarizeKnowledgeBasePayload { summary { ...SummaryFields } } ${ERROR}
  }
}
${SUMMARY}`;

export const CANCEL_KNOWLEDGE_SUMMARY = `mutation CancelKnowledgeSummary($input: CancelKnowledgeSummaryInput!) {
  cancelKnowledgeSummary(input: $input) {
    __typename ... on CancelKnowledgeSummaryPayload { summary { ...SummaryFields } } ${ERROR}
  }
}
${SUMMARY}`;

export const CREATE_KNOWLEDGE_BASE = `mutation CreateKnowledgeBase($input: CreateKnowledgeBaseInput!) {
  createKnowledgeBase(input: $input) {
    __typename ... on CreateKnowledgeBasePayload { knowledgeBase { ...BaseFields } } ${ERROR}
  }
}
${BASE}`;

export const DELETE_KNOWLEDGE_BASE = `mutation DeleteKnowledgeBase($input: DeleteKnowledgeBaseInput!) {
  deleteKnowledgeBase(input: $input) { __typename ${ERROR} }
}`;

export const DOCUMENTS = `query Documents($id: ID!, $after: String) {
  documents(knowledgeBaseId: $id, first: 100, after: $after) {
    totalCount nodes { ...DocumentFields } pageInfo { hasNextPage endCursor }
  }
}
${DOCUMENT}`;

export const DOCUMENT_EVENTS = `subscription DocumentEvents($base: ID!, $after: String) {
  documentEvents(knowledgeBaseId: $base, after: $after) {
    __typename cursor
    ... on DocumentStateChanged { documentId document { ...DocumentFields } }
    ... on DocumentDeleted { documentId }
    ... on KnowledgeSummaryStateChanged { summary { ...SummaryFields } }
    ... on KnowledgeSummaryTextAdded { summaryId start text }
    ... on KnowledgeGraphChanged {
      graphState passageCount readPassageCount failedPassageCount graphProblem { code message retryable }
    }
  }
}
${DOCUMENT}
${SUMMARY}`;

export const ADD_DOCUMENT = `mutation AddDocument($input: AddDocumentInput!) {
  addDocument(input: $input) { __typename ... on AddDocumentPayload { document { ...DocumentFields } } ${ERROR} }
}
${DOCUMENT}`;

export const ADD_DOCUMENTS = `mutation AddDocuments($input: AddDocumentsInput!) {
  addDocuments(input: $input) { __typename ... on AddDocumentsPayload { batch { id documentCount } } ${ERROR} }
}`;

export const REPLACE_DOCUMENT = `mutation ReplaceDocument($input: ReplaceDocumentInput!) {
  replaceDocument(input: $input) { __typename ... on ReplaceDocumentPayload { document { ...DocumentFields } } ${ERROR} }
}
${DOCUMENT}`;

export const CANCEL_DOCUMENT = `mutation CancelDocument($input: CancelDocumentInput!) {
  cancelDocument(input: $input) { __typename ... on CancelDocumentPayload { document { ...DocumentFields } } ${ERROR} }
}
${DOCUMENT}`;

export const REPROCESS_DOCUMENT = `mutation ReprocessDocument($input: ReprocessDocumentInput!) {
  reprocessDocument(input: $input) { __typename ... on ReprocessDocumentPayload { document { ...DocumentFields } } ${ERROR} }
}
${DOCUMENT}`;

export const DELETE_DOCUMENT = `mutation DeleteDocument($input: DeleteDocumentInput!) {
  deleteDocument(input: $input) { __typename ${ERROR} }
}`;

export const DOCUMENT_CHUNKS = `query DocumentChunks($id: ID!, $after: String, $search: String) {
  document(id: $id) { ...DocumentFields }
  documentChunks(documentId: $id, first: 50, after: $after, search: $search) {
    totalCount nodes { ...ChunkFields } pageInfo { hasNextPage endCursor }
  }
}
${DOCUMENT}
${CHUNK}`;

export const UPDATE_CHUNK = `mutation UpdateDocumentChunk($input: UpdateDocumentChunkInput!) {
  updateDocumentChunk(input: $input) {
    __typename ... on UpdateDocumentChunkPayload { chunk { ...ChunkFields } } ${ERROR}
  }
}
${CHUNK}`;

export const PREVIEW_CHUNKS = `query PreviewChunks($input: PreviewChunksInput!) {
  previewChunks(input: $input) {
    totalCount
    chunks { text headings unitKind unitNumber unitName attachment parentText start end }
  }
}`;

export const UPDATE_KNOWLEDGE_BASE = `mutation UpdateKnowledgeBase($input: UpdateKnowledgeBaseInput!) {
  updateKnowledgeBase(input: $input) {
    __typename ... on UpdateKnowledgeBasePayload { knowledgeBase { ...BaseFields } } ${ERROR}
  }
}
${BASE}`;

export const SEARCH_KNOWLEDGE = `query SearchKnowledge($input: SearchKnowledgeInput!) {
  searchKnowledge(input: $input) {
    mode terms belowMinScore graphEntities
    hits {
      score document { id name title } chunk { ...ChunkFields }
      explain { bm25 cosine coverage graphScore terms }
    }
  }
}
${CHUNK}`;
