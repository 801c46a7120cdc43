// The list of conversations: pinned ones, then the others page by page, newest activity first; or the archived ones.

import * as documents from "../documents/conversations.js";
import { ask } from "../lib/graphql.js";
import { batch, computed, signal } from "../lib/ui.js";

const PAGE_SIZE = 50;
const REFRESH_MS = 300;

const pinned = signal([]);
const others = signal([]);
export const isArchive = signal(false);
export const hasMore = signal(false);
export const conversations = computed(() => [...pinned.value, ...others.value]);
let cursor = null;
let loading = null;
let refreshTimer = null;

const loadPage = (after) => {
  const filter = isArchive.value ? { isArchived: true } : { isPinned: false };
  return ask(documents.CONVERSATIONS, { first: PAGE_SIZE, after, filter });
};

export function loadMore() {
  if (!hasMore.value) return null;
  loading ??= loadPage(cursor).then(({ nodes, pageInfo }) => append(nodes, pageInfo)).finally(() => (loading = null));
  return loading;
}

function append(nodes, pageInfo) {
  const ids = new Set(others.value.map(({ id }) => id));
  batch(() => {
    others.value = [...others.value, ...nodes.filter(({ id }) => !ids.has(id))];
    hasMore.value = pageInfo.hasNextPage;
    cursor = pageInfo.endCursor;
  });
}

// Reads the first page again. Conversations behind it stay, as they have had no activity.
export async function loadFirst() {
  const wasArchive = isArchive.value;
  const [{ nodes, pageInfo }, top] = await Promise.all([loadPage(null), wasArchive ? { nodes: [] } : ask(documents.PINNED_CONVERSATIONS)]);
  if (isArchive.value !== wasArchive) return;
  const shown = new Set([...nodes, ...top.nodes].map(({ id }) => id));
  const isWhole = !others.value.length || !pageInfo.hasNextPage;
  batch(() => {
    pinned.value = top.nodes;
    others.value = isWhole ? nodes : [...nodes, ...others.value.filter(({ id }) => !shown.has(id))];
    if (!isWhole) return;
    hasMore.value = pageInfo.hasNextPage;
    cursor = pageInfo.endCursor;
  });
}

export async function showArchive(shows) {
  batch(() => {
    isArchive.value = shows;
    others.value = [];
    pinned.value = [];
  });
  await loadFirst();
}

export function refreshConversations() {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(() => loadFirst().catch(() => null), REFRESH_MS);
}

function drop(id) {
  batch(() => {
    others.value = others.value.filter((each) => each.id !== id);
    pinned.value = pinned.value.filter((each) => each.id !== id);
  });
}

export async function renameConversation(id, title) {
  await ask(documents.RENAME_CONVERSATION, { input: { conversationId: id, title } });
  const rename = (each) => (each.id === id ? { ...each, title } : each);
  batch(() => {
    others.value = others.value.map(rename);
    pinned.value = pinned.value.map(rename);
  });
}

// Pins or archives: `change` is {isPinned} or {isArchived}.
export async function updateConversation(id, change) {
  await ask(documents.UPDATE_CONVERSATION, { input: { conversationId: id, ...change } });
  drop(id);
  await loadFirst();
}

// Deletes a conversation, and returns whether it can be restored.
export async function deleteConversation(id) {
  const { restorableUntil } = await ask(documents.DELETE_CONVERSATION, { input: { conversationId: id } });
  drop(id);
  return restorableUntil !== null;
}

// Downloads a conversation; `format` is MARKDOWN or JSON.
export async function exportConversation(id, format) {
  const { exportUrl } = await ask(documents.EXPORT_CONVERSATION, { id, format });
  const anchor = document.createElement("a");
  anchor.href = exportUrl;
  anchor.download = "";
  anchor.click();
}

export async function restoreConversation(id) {
  await ask(documents.RESTORE_CONVERSATION, { input: { conversationId: id } });
  await loadFirst();
}

addEventListener("visibilitychange", () => {
  if (!document.hidden && conversations.value.length) refreshConversations();
});
