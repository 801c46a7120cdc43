// The open conversation: its messages, its running answers, and what other tabs and devices do to it.

import * as documents from "../documents/chat.js";
import { FrameQueue } from "../lib/frames.js";
import { ask, follow } from "../lib/graphql.js";
import { randomId } from "../lib/ids.js";
import { attempt } from "../lib/notices.js";
import { go, replace } from "../lib/router.js";
import { batch, computed, signal } from "../lib/ui.js";
import { refreshConversations } from "../conversations/list.js";
import { MessageModel } from "./answer.js";

const EVENTS_KEPT_MS = 200;

export const current = signal(null); // {id, title, agent}, null for a new conversation
export const messages = signal([]);
export const isLoading = signal(false);
export const isMissing = signal(false);
export const running = computed(() => messages.value.filter((message) => !message.isComplete.value));

const runs = new Map(); // run ID -> function that ends its subscription
let stopWatching = () => {};

const firstParent = () => messages.value[0]?.parentId.value ?? null;
export const hasEarlier = computed(() => messages.value.length > 0 && messages.value[0].parentId.value !== null);

function reset() {
  stopWatching();
  stopWatching = () => {};
  for (const stop of runs.values()) stop();
  runs.clear();
  batch(() => {
    current.value = null;
    messages.value = [];
    isMissing.value = false;
  });
}

export async function openConversation(id) {
  if (current.value?.id === id) return;
  reset();
  if (!id) return;
  current.value = { id, title: "", agent: null };
  isLoading.value = true;
  try {
    const conversation = await ask(documents.CONVERSATION, { id });
    if (current.value?.id !== id) return;
    if (!conversation) return (isMissing.value = true);
    show(conversation);
  } finally {
    isLoading.value = false;
  }
}

function show(conversation) {
  current.value = conversation;
  if (conversation.activeBranch) merge(conversation.activeBranch);
  stopWatching();
  stopWatching = follow(documents.CONVERSATION_EVENTS, { conversation: conversation.id }, {
    after: conversation.eventsCursor,
    onEvent: (event) => applyEvent(conversation.id, event),
  });
}

// Shows a branch; messages that are shown already keep their state and their subscriptions.
function merge(branch) {
  const models = new Map(messages.value.map((message) => [message.id, message]));
  const isFirstShown = branch.length && models.has(branch[0].id);
  const earlier = isFirstShown ? messages.value.slice(0, messages.value.findIndex(({ id }) => id === branch[0].id)) : [];
  const shown = branch.map((fields) => {
    const model = models.get(fields.id);
    if (!model) return new MessageModel(fields);
    model.update(fields);
    return model;
  });
  messages.value = [...earlier, ...shown];
  for (const message of shown) if (!message.isComplete.value) followRun(message);
}

let refreshing = null;

// Reads the active branch again, once for events that arrive together.
function refresh(id) {
  refreshing ??= new Promise((resolve) => setTimeout(resolve, EVENTS_KEPT_MS)).then(async () => {
    refreshing = null;
    const conversation = await ask(documents.CONVERSATION, { id });
    if (current.value?.id === id && conversation) merge(conversation.activeBranch);
  });
  return refreshing.catch(() => null);
}

function applyEvent(id, event) {
  if (current.value?.id !== id) return;
  const isShown = (message) => messages.value.some((model) => model.id === message?.id);
  if (event.__typename === "TitleChanged") {
    current.value = { ...current.value, title: event.conversation?.title ?? "" };
    refreshConversations();
  } else if (event.__typename === "MessageUpdated") {
    const model = messages.value.find((message) => message.id === event.message?.id);
    if (model) model.rating.value = event.message.rating;
  } else if (event.__typename === "MessageAdded" && !isShown(event.message)) refresh(id);
  else if (event.__typename === "ActiveBranchChanged" && messages.value.at(-1)?.id !== event.activeMessage?.id) refresh(id);
  else if (["RunStateChanged", "ConversationUpdated"].includes(event.__typename)) refreshConversations();
  else if (event.__typename === "ConversationDeleted") {
    go();
    refreshConversations();
  }
}

function followRun(message, after = null) {
  const runId = message.run.value?.id;
  if (!runId || runs.has(runId)) return;
  if (after === null) message.clearSteps();
  const queue = new FrameQueue((events) => message.apply(events));
  const stop = follow(documents.RUN_EVENTS, { run: runId }, {
    after,
    onEvent: (event) => queue.push(event),
    onEnd: async (error) => {
      queue.flush();
      runs.delete(runId);
      refreshConversations();
      const lacksQuotations = message.citations.value.some(({ quote }) => quote === null);
      if (error || !message.isComplete.value || lacksQuotations) await refresh(current.value?.id);
    },
  });
  runs.set(runId, stop);
}

// Replays the events of a finished run, for its steps and for the developer view.
export function loadSteps(message) {
  return new Promise((resolve, reject) => {
    message.clearSteps();
    const events = [];
    follow(documents.RUN_EVENTS, { run: message.run.value.id }, {
      onEvent: (event) => events.push(event),
      onEnd: (error) => {
        message.apply(events, { stepsOnly: true });
        if (error) reject(error);
        else resolve();
      },
    });
  });
}

export async function loadEarlier() {
  const answer = await ask(documents.EARLIER_MESSAGES, { id: firstParent() });
  const models = answer.branch.map((fields) => new MessageModel(fields));
  messages.value = [...models, ...messages.value];
}

// Shows what a mutation that starts a run returned; the messages behind `parentId` are replaced.
function start(asked, cutAt) {
  const { conversation, userMessage, assistantMessage, run, cursor } = asked;
  const isNew = current.value?.id !== conversation.id;
  if (isNew) reset();
  const kept = cutAt === null ? messages.value : messages.value.slice(0, cutAt);
  const shown = (fields) => messages.value.find(({ id }) => id === fields.id) ?? new MessageModel(fields);
  const question = shown(userMessage);
  const answer = shown({ ...assistantMessage, run, parent: userMessage });
  messages.value = [...kept.filter(({ id }) => id !== question.id && id !== answer.id), question, answer];
  followRun(answer, cursor);
  if (isNew) {
    show(conversation);
    replace("c", conversation.id);
  }
  refreshConversations();
}

export async function sendMessage({ text, agentId, attachments = [] }) {
  const target = current.value ? { conversationId: current.value.id, onBusy: "QUEUE" } : { agentId };
  const input = { text, clientId: randomId(), timeZone: timeZone(), ...target };
  if (attachments.length) input.attachments = attachments;
  start(await ask(documents.SEND_MESSAGE, { input }), null);
}

const timeZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
const indexOf = (message) => messages.value.findIndex(({ id }) => id === message.id);

export async function editMessage(message, text) {
  const input = { messageId: message.id, text, clientId: randomId() };
  start(await ask(documents.EDIT_MESSAGE, { input }), indexOf(message));
}

export const regenerate = (message) => attempt(async () => {
  const input = { messageId: message.id, clientId: randomId() };
  start(await ask(documents.REGENERATE_MESSAGE, { input }), indexOf(message));
});

export const retry = (message) => attempt(async () => {
  const input = { runId: message.run.value.id, clientId: randomId() };
  start(await ask(documents.RETRY_RUN, { input }), indexOf(message));
});

export const stopRun = (message) => attempt(() => ask(documents.STOP_RUN, { input: { runId: message.run.value.id } }));

export const selectBranch = (messageId) => attempt(async () => {
  await ask(documents.SELECT_BRANCH, { input: { messageId } });
  await refresh(current.value.id);
});

export const rate = (message, rating) => attempt(async () => {
  const { ratedMessage } = await ask(documents.RATE_MESSAGE, { input: { messageId: message.id, rating } });
  message.rating.value = ratedMessage.rating;
});
