// Short messages at the edge of the page: what failed, and what can be undone.

import { signal } from "./ui.js";

const SHOWN_MS = 8_000;
const ACTION_SHOWN_MS = 30_000; // there is a decision to make
let lastId = 0;

// {id, text, isError, action: {label, run} or null}
export const notices = signal([]);

export const dismiss = (id) => (notices.value = notices.value.filter((notice) => notice.id !== id));

export function notify(text, { isError = false, action = null } = {}) {
  const id = ++lastId;
  notices.value = [...notices.value.slice(-3), { id, text, isError, action }];
  if (!isError) setTimeout(() => dismiss(id), action ? ACTION_SHOWN_MS : SHOWN_MS);
  return id;
}

// Runs an action; a failure becomes a notice and the result null.
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    notify(error.message, { isError: true });
    return null;
  }
}
