// One GraphQL request by HTTP, and the record of requests that the developer view shows.

import { signal } from "./ui.js";

const MAX_OPERATIONS = 100;

// The newest requests, first the newest: {name, document, variables, requestId, durationMs, failed}.
export const operations = signal([]);

export class GraphQLError extends Error {
  // `path` names the invalid field of the input. `isRetryable` means that the same request may work later, after
  // `retryAfterS` if that is known. `isResult` means that a mutation returned the error, and so has changed nothing.
  constructor(message, { code = null, path = [], isRetryable = false, retryAfterS = null, requestId = null, isResult = false } = {}) {
    super(message);
    Object.assign(this, { code, path, isRetryable, retryAfterS, requestId, isResult });
  }
}

const SECRET = /password|token|apiKey/i;
const hideSecrets = (name, value) => (SECRET.test(name) && typeof value === "string" ? "***" : value);
const nameOf = (document) => /(?:query|mutation|subscription)\s+(\w+)/.exec(document)?.[1] ?? "";

export function record(document, variables, details = {}) {
  const shown = JSON.stringify(variables ?? {}, hideSecrets, 2);
  const operation = { name: nameOf(document), document, variables: shown, at: Date.now(), ...details };
  operations.value = [operation, ...operations.value].slice(0, MAX_OPERATIONS);
}

const hashes = new Map(); // of documents that the server knows; null once it has not known one

async function hashOf(document) {
  if (!hashes.has(document)) {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(document));
    hashes.set(document, Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join(""));
  }
  return hashes.get(document);
}

// Names a document by its hash. The text is sent to a server of another version, and without HTTPS, which hashing needs.
async function named(document) {
  const hash = crypto.subtle ? await hashOf(document) : null;
  return hash ? { documentId: `sha256:${hash}` } : { query: document };
}

export async function post(document, variables, token) {
  const headers = { "Content-Type": "application/json", Accept: "application/graphql-response+json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const began = performance.now();
  const response = await fetch("/graphql", {
    method: "POST",
    headers,
    body: JSON.stringify({ ...(await named(document)), variables }),
    signal: AbortSignal.timeout(60_000),
  });
  const requestId = response.headers.get("x-request-id");
  const isBusy = response.status === 429 || response.status >= 500;
  const body = await response.json().catch(() => ({ errors: [{ message: `HTTP ${response.status}`, extensions: { retryable: isBusy } }] }));
  const errors = body.errors ?? [];
  const durationMs = Math.round(performance.now() - began);
  record(document, variables, { requestId, durationMs, failed: errors.length > 0 });
  if (errors.length) {
    const { code, path, retryable, details } = errors[0].extensions ?? {};
    if (code === "PERSISTED_QUERY_NOT_FOUND") {
      hashes.set(document, null);
      return post(document, variables, token);
    }
    const retryAfterS = details?.retry_after_s ?? null;
    throw new GraphQLError(errors.map((error) => error.message).join(" "), { code, path, isRetryable: retryable ?? false, retryAfterS, requestId });
  }
  return body.data;
}
