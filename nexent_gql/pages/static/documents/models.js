// GraphQL documents of models and their usage.

const ERROR = `... on Error { code message } ... on ValidationError { path }`;

const MODEL = `fragment ModelFields on Model {
  id name kind dialect provider providerModel baseUrl hasApiKey apiKeyHint isDefault
  lastCheck { ok code advice providerMessage latencyMs checkedAt }
  price { inputUsd outputUsd }
  profile { contextWindowTokens maxOutputTokens tools vision }
}`;

export const MODELS = `query Models($after: String) {
  models(first: 100, after: $after) { nodes { ...ModelFields } pageInfo { hasNextPage endCursor } }
}
${MODEL}`;

export const MODEL_CHOICES = `query ModelChoices($after: String) {
  models(first: 100, kind: CHAT, after: $after) { nodes { id name isDefault } pageInfo { hasNextPage endCursor } }
}`;

export const MODEL_PROVIDERS = `query ModelProviders { modelProviders { name title baseUrl needsApiKey kinds } }`;

export const LIST_REMOTE_MODELS = `mutation ListRemoteModels($input: ListRemoteModelsInput!) {
  listRemoteModels(input: $input) { __typename ... on ListRemoteModelsPayload { models { providerModel } } ${ERROR} }
}`;

export const REGISTER_MODEL = `mutation RegisterModel($input: RegisterModelInput!) {
  registerModel(input: $input) { __typename ... on RegisterModelPayload { model { ...ModelFields } } ${ERROR} }
}
${MODEL}`;

export const UPDATE_MODEL = `mutation UpdateModel($input: UpdateModelInput!) {
  updateModel(input: $input) { __typename ... on UpdateModelPayload { model { ...ModelFields } } ${ERROR} }
}
${MODEL}`;

export const CHECK_MODEL = `mutation CheckModel($input: CheckModelInput!) {
  checkModel(input: $input) { __typename ... on CheckModelPayload { model { ...ModelFields } } ${ERROR} }
}
${MODEL}`;

export const SET_DEFAULT_MODEL = `mutation SetDefaultModel($input: SetDefaultModelInput!) {
  setDefaultModel(input: $input) { __typename ${ERROR} }
}`;

export const DELETE_MODEL = `mutation DeleteModel($input: DeleteModelInput!) {
  deleteModel(input: $input) { __typename ${ERROR} }
}`;

export const USAGE = `query Usage($since: DateTime, $groupBy: [UsageDimension!]) {
  usage(since: $since, groupBy: $groupBy) { day modelId providerModel calls failedCalls inputTokens outputTokens costUsd }
}`;
