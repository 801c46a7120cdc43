// GraphQL documents of conversations, messages and runs.

const ERROR = `... on Error { code message } ... on ValidationError { path }`;

const RUN = `fragment RunFields on Run {
  id status costUsd providerModel traceId usage { inputTokens outputTokens }
  error { code message retryable retryAfterSeconds }
}`;

const PARTS = `fragment PartFields on MessagePart {
  __typename index
  ... on ReasoningMessagePart { text }
  ... on ImageMessagePart { url mediaType }
  ... on FileMessagePart { name mediaType sizeBytes mode file { id url } }
  ... on NoticeMessagePart { code message }
}`;

const CITATION = `fragment CitationFields on CitationMessagePart {
  label title quote url page slide sheet heading start end changedSince document { id knowledgeBase { id } }
}`;

const MESSAGE = `fragment MessageFields on Message {
  id role status text rating createdAt
  parts { ...PartFields }
  citations { ...CitationFields }
  siblings { id }
  run { ...RunFields }
}
${PARTS}
${CITATION}
${RUN}`;

export const CONVERSATION = `query Conversation($id: ID!) {
  conversation(id: $id) {
    id title eventsCursor agent { id name }
    activeBranch(last: 50) { ...MessageFields parent { id } }
  }
}
${MESSAGE}`;

export const EARLIER_MESSAGES = `query EarlierMessages($id: ID!) {
  message(id: $id) { id branch(last: 50) { ...MessageFields parent { id } } }
}
${MESSAGE}`;

const ASKED = `fragment AskedFields on AskPayload {
  cursor
  run { id status traceId }
  conversation { id title eventsCursor agent { id name } }
  userMessage { ...MessageFields }
  assistantMessage { id role status text rating createdAt siblings { id } }
}
${MESSAGE}`;

const askMutation = (name, input) => `mutation ${name[0].toUpperCase() + name.slice(1)}($input: ${input}!) {
  ${name}(input: $input) { __typename ... on AskPayload { ...AskedFields } ${ERROR} }
}
${ASKED}`;

export const SEND_MESSAGE = askMutation("sendMessage", "SendMessageInput");
export const EDIT_MESSAGE = askMutation("editMessage", "EditMessageInput");
export const REGENERATE_MESSAGE = askMutation("regenerateMessage", "RegenerateMessageInput");
export const RETRY_RUN = askMutation("retryRun", "RetryRunInput");

export const STOP_RUN = `mutation StopRun($input: StopRunInput!) {
  stopRun(input: $input) { __typename ... on StopRunPayload { run { id status } } ${ERROR} }
}`;

export const SELECT_BRANCH = `mutation SelectBranch($input: SelectBranchInput!) {
  selectBranch(input: $input) { __typename ... on SelectBranchPayload { conversation { id } } ${ERROR} }
}`;

export const RATE_MESSAGE = `mutation RateMessage($input: RateMessageInput!) {
  rateMessage(input: $input) { __typename ... on RateMessagePayload { ratedMessage { id rating } } ${ERROR} }
}`;

export const RUN_EVENTS = `subscription RunEvents($run: ID!, $after: String) {
  runEvents(runId: $run, after: $after) {
    __typename seq cursor at agentPath
    ... on AttemptStarted { attempt text }
    ... on TextDelta { text step }
    ... on ReasoningDelta { text step }
    ... on CodeDelta { text step }
    ... on ToolCallStarted { callId name arguments step }
    ... on ToolOutput { callId name output isError durationMs step }
    ... on PartsAdded { callId step parts { ...PartFields } }
    ... on CitationAdded { citation { ...CitationFields } }
    ... on NoticeAdded { notice { ...PartFields } }
    ... on ModelQueued { position step }
    ... on ModelSwitched { fromModel toModel reason keepsAnswer step }
    ... on StepFinished { step durationMs errorMessage }
    ... on UsageUpdated { usage { inputTokens outputTokens } costUsd }
    ... on RunFinished {
      status providerModel costUsd usage { inputTokens outputTokens }
      error { code message retryable retryAfterSeconds }
    }
    ... on StreamGap { fromSeq toSeq }
  }
}
${PARTS}
${CITATION}`;

export const CONVERSATION_EVENTS = `subscription ConversationEvents($conversation: ID!, $after: String) {
  conversationEvents(conversationId: $conversation, after: $after) {
    __typename cursor
    ... on TitleChanged { conversation { id title } }
    ... on MessageAdded { message { id } }
    ... on MessageUpdated { message { id status rating } }
    ... on ActiveBranchChanged { activeMessage { id } }
    ... on ConversationUpdated { conversation { id pinnedAt archivedAt } }
    ... on RunStateChanged { run { id status } }
  }
}`;
