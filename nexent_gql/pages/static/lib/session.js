// The session of this browser: tokens are shared by all tabs, and only one tab renews them at a time.

import { REFRESH_SESSION, SIGN_IN, SIGN_OUT, SIGN_UP } from "../documents/session.js";
import { GraphQLError, post } from "./http.js";
import { storage } from "./storage.js";
import { signal } from "./ui.js";

const MARGIN_MS = 15_000;

// Whether somebody has to sign in.
export const isSignedOut = signal(false);

const isFresh = (session) => session && Date.parse(session.expiresAt) - Date.now() > MARGIN_MS;

function exclusively(action) {
  return navigator.locks ? navigator.locks.request("nexent.session", action) : action();
}

async function startDemoSession() {
  const response = await fetch("/session/demo", { method: "POST", headers: { "Content-Type": "application/json" } });
  return response.ok ? response.json() : null;
}

async function renew() {
  const session = storage.read("session");
  if (isFresh(session)) return session.accessToken;
  let next = null;
  if (session?.refreshToken) {
    const data = await post(REFRESH_SESSION, { input: { refreshToken: session.refreshToken } });
    if (data.refreshSession.accessToken) next = data.refreshSession;
  }
  if (!next && !storage.read("signedOut")) next = await startDemoSession();
  storage.write("session", next);
  isSignedOut.value = next === null;
  return next?.accessToken ?? null;
}

// Another tab has signed out or in as somebody else: what is shown here may belong to another user.
addEventListener("storage", ({ key }) => {
  if (key === "nexent.signedOut") location.reload();
});

let renewing = null;

// Returns a token that is valid for at least a few seconds, or null when somebody has to sign in.
export async function token() {
  const session = storage.read("session");
  if (isFresh(session)) return session.accessToken;
  renewing ??= exclusively(renew).finally(() => (renewing = null));
  return renewing;
}

// Drops a token that the server refused, so that the next call renews it.
export function expireToken() {
  const session = storage.read("session");
  if (session) storage.write("session", { ...session, expiresAt: new Date(0).toISOString() });
}

async function begin(document, input) {
  const [result] = Object.values(await post(document, { input }));
  if (!result.accessToken) throw new GraphQLError(result.message, result);
  const { accessToken, expiresAt, refreshToken } = result;
  storage.write("signedOut", null);
  storage.write("session", { accessToken, expiresAt, refreshToken });
  isSignedOut.value = false;
}

export const signIn = (input) => begin(SIGN_IN, input);
export const signUp = (input) => begin(SIGN_UP, input);

export async function signOut() {
  const bearer = await token();
  if (bearer) await post(SIGN_OUT, { input: {} }, bearer).catch(() => null);
  storage.write("signedOut", true);
  storage.write("session", null);
  location.assign("/");
  location.reload();
}
