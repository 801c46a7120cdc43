// Repeats calls that failed for a passing reason: a lost connection, a busy server, a spent rate limit.

import { GraphQLError } from "./http.js";

const ATTEMPTS = 4;
const FIRST_WAIT_MS = 1_000;
const MAX_WAIT_MS = 30_000;

const canPass = (error) => (error instanceof GraphQLError ? error.isRetryable : error.name !== "AbortError");

const waitMs = (error, attempt) => Math.min(error.retryAfterS ? error.retryAfterS * 1_000 : FIRST_WAIT_MS * 2 ** (attempt - 1), MAX_WAIT_MS);

// Makes a call up to four times. It must do no harm if it is made twice, so mutations that create need a `clientId`.
export async function withRetries(call, signal) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (attempt === ATTEMPTS || signal?.aborted || !canPass(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, waitMs(error, attempt)));
    }
  }
}
