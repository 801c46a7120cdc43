// GraphQL documents of the list of conversations.

const ERROR = `... on Error { code message } ... on ValidationError { path }`;

const FIELDS = `fragment ConversationFields on Conversation { id title updatedAt pinnedAt archivedAt latestRun { status } }`;

const ORDER = `orderBy: { field: UPDATED_AT, direction: DESC }`;

export const PINNED_CONVERSATIONS = `query PinnedConversations {
  conversations(first: 100, ${ORDER}, filter: { isPinned: true }) { nodes { ...ConversationFields } }
}
${FIELDS}`;

export const CONVERSATIONS = `query Conversations($first: Int!, $after: String, $filter: ConversationFilter!) {
  conversations(first: $first, after: $after, ${ORDER}, filter: $filter) {
    nodes { ...ConversationFields }
    pageInfo { hasNextPage endCursor }
  }
}
${FIELDS}`;

export const SEARCH_CONVERSATIONS = `query SearchConversations($query: String!) {
  conversations(first: 20, search: $query) { nodes { id title titleMatches(search: $query) { start end } } }
  searchMessages(first: 20, query: $query) {
    nodes { message { id role } conversation { id title } snippet { text highlights { start end } } }
  }
}`;

export const EXPORT_CONVERSATION = `query ExportConversation($id: ID!, $format: ExportFormat!) {
  conversation(id: $id) { exportUrl(format: $format) }
}`;

export const RENAME_CONVERSATION = `mutation RenameConversation($input: RenameConversationInput!) {
  renameConversation(input: $input) { __typename ... on RenameConversationPayload { conversation { id title } } ${ERROR} }
}`;

export const UPDATE_CONVERSATION = `mutation UpdateConversation($input: UpdateConversationInput!) {
  updateConversation(input: $input) { __typename ${ERROR} }
}`;

export const DELETE_CONVERSATION = `mutation DeleteConversation($input: DeleteConversationInput!) {
  deleteConversation(input: $input) { __typename ... on DeleteConversationPayload { restorableUntil } ${ERROR} }
}`;

export const RESTORE_CONVERSATION = `mutation RestoreConversation($input: RestoreConversationInput!) {
  restoreConversation(input: $input) { __typename ${ERROR} }
}`;
