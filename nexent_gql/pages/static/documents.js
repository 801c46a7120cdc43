// The GraphQL documents of the page.

export const AGENTS = `query { agents(first: 50) { edges { node { id name description kind effectiveModel { name } } } } }`;

export const CONVERSATIONS = `query { conversations(first: 30) { edges { node { id title updatedAt } } } }`;

export const CONVERSATION = `query ($id: ID!) {
  conversation(id: $id) {
    id title eventsCursor agent { id name }
    activeBranch(last: 100) {
      id role status text
      parts { __typename ... on ReasoningMessagePart { text } }
      run { id status providerModel costUsd error { message } }
    }
  }
}`;

const ASKED = `__typename
  ... on AskPayload { run { id } conversation { id } assistantMessage { id } }
  ... on Error { message }`;

export const SEND = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { ${ASKED} } }`;
export const REGENERATE = `mutation ($input: RegenerateMessageInput!) { regenerateMessage(input: $input) { ${ASKED} } }`;
export const STOP = `mutation ($input: StopRunInput!) {
  stopRun(input: $input) { __typename ... on Error { message } }
}`;

export const RUN_EVENTS = `subscription ($run: ID!, $after: String) {
  runEvents(runId: $run, after: $after) {
    __typename seq cursor at agentPath
    ... on AttemptStarted { attempt text }
    ... on TextDelta { text step }
    ... on ReasoningDelta { text step }
    ... on CodeDelta { text step }
    ... on ToolCallStarted { callId name arguments step }
    ... on ToolOutput { callId name output isError durationMs step }
    ... on StepFinished { step durationMs errorMessage }
    ... on UsageUpdated { usage { inputTokens outputTokens } costUsd }
    ... on RunFinished { status providerModel costUsd error { code message retryable } }
    ... on StreamGap { fromSeq toSeq }
  }
}`;

export const CONVERSATION_EVENTS = `subscription ($conversation: ID!, $after: String) {
  conversationEvents(conversationId: $conversation, after: $after) {
    __typename cursor
    ... on TitleChanged { conversation { title } }
  }
}`;

export const SIGN_IN = `mutation ($input: SignInInput!) { signIn(input: $input) {
  __typename ... on SignInPayload { accessToken expiresAt refreshToken } ... on Error { message } } }`;

export const SIGN_UP = `mutation ($input: SignUpInput!) { signUp(input: $input) {
  __typename ... on SignUpPayload { accessToken expiresAt refreshToken } ... on Error { message } } }`;
