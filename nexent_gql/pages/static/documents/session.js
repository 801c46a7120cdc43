// GraphQL documents of sessions.

const ERROR = `... on Error { code message } ... on ValidationError { path }`;
const ATTEMPTS = `... on TooManyAttemptsError { retryAfterS }`;

export const PREFERENCES = `query Preferences { viewer { user { theme language } } }`;

export const SAVE_PREFERENCES = `mutation SavePreferences($input: UpdateProfileInput!) {
  updateProfile(input: $input) { __typename ${ERROR} }
}`;

export const SIGN_IN = `mutation SignIn($input: SignInInput!) {
  signIn(input: $input) { __typename ... on SignInPayload { accessToken expiresAt refreshToken } ${ERROR} ${ATTEMPTS} }
}`;

export const SIGN_UP = `mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) { __typename ... on SignUpPayload { accessToken expiresAt refreshToken } ${ERROR} ${ATTEMPTS} }
}`;

export const REFRESH_SESSION = `mutation RefreshSession($input: RefreshSessionInput!) {
  refreshSession(input: $input) {
    __typename ... on RefreshSessionPayload { accessToken expiresAt refreshToken } ... on Error { code message }
  }
}`;

export const SIGN_OUT = `mutation SignOut($input: SignOutInput!) {
  signOut(input: $input) { __typename ... on Error { code message } }
}`;
