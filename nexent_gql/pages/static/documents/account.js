// GraphQL documents of the user's own account and of users.

const ERROR = `... on Error { code message } ... on ValidationError { path }`;
const ATTEMPTS = `... on TooManyAttemptsError { retryAfterS }`;

export const VIEWER = `query Viewer {
  viewer { role user { id displayName email timeZone } tenant { name } }
}`;

export const UPDATE_PROFILE = `mutation UpdateProfile($input: UpdateProfileInput!) {
  updateProfile(input: $input) { __typename ... on UpdateProfilePayload { user { id displayName } } ${ERROR} }
}`;

export const CHANGE_PASSWORD = `mutation ChangePassword($input: ChangePasswordInput!) {
  changePassword(input: $input) { __typename ${ERROR} ${ATTEMPTS} }
}`;

export const API_KEYS = `query ApiKeys($after: String) {
  apiKeys(first: 100, after: $after) {
    nodes { id name prefix scopes createdAt lastUsedAt expiresAt revokedAt }
    pageInfo { hasNextPage endCursor }
  }
}`;

export const CREATE_API_KEY = `mutation CreateApiKey($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { __typename ... on CreateApiKeyPayload { secret apiKey { id name } } ${ERROR} }
}`;

export const REVOKE_API_KEY = `mutation RevokeApiKey($input: RevokeApiKeyInput!) {
  revokeApiKey(input: $input) { __typename ${ERROR} }
}`;

export const USERS = `query Users($after: String) {
  users(first: 100, after: $after) {
    nodes { id displayName email role deactivatedAt }
    pageInfo { hasNextPage endCursor }
  }
}`;

export const CREATE_USER = `mutation CreateUser($input: CreateUserInput!) {
  createUser(input: $input) { __typename ... on CreateUserPayload { user { id } } ${ERROR} ${ATTEMPTS} }
}`;

export const SET_USER_ROLE = `mutation SetUserRole($input: SetUserRoleInput!) {
  setUserRole(input: $input) { __typename ${ERROR} }
}`;

export const DEACTIVATE_USER = `mutation DeactivateUser($input: DeactivateUserInput!) {
  deactivateUser(input: $input) { __typename ${ERROR} }
}`;

export const ACTIVATE_USER = `mutation ActivateUser($input: ActivateUserInput!) {
  activateUser(input: $input) { __typename ${ERROR} }
}`;
