// The page: pick an agent, ask, watch the answer arrive, stop it, reload and see it go on.

import * as documents from "./documents.js";
import { ask, follow, signIn, token } from "./graphql.js";
import { MessageView, element } from "./view.js";

const find = (id) => document.getElementById(id);
const state = { conversation: null, run: null, stopFollowing: () => {}, stopWatching: () => {} };
const MAX_LISTED_EVENTS = 500;

function problem(error) {
  find("problem").textContent = error?.message ?? "";
  find("problem").hidden = !error;
}

async function attempt(action) {
  problem(null);
  try {
    return await action();
  } catch (error) {
    problem(error);
    return null;
  }
}

function busy(run) {
  state.run = run;
  find("stop").hidden = run === null;
  find("send").hidden = run !== null;
}

function list(event) {
  const { __typename, seq, ...rest } = event;
  delete rest.cursor;
  delete rest.at;
  find("events").append(element("li", { textContent: `${seq} ${__typename} ${JSON.stringify(rest)}` }));
  if (find("events").childElementCount > MAX_LISTED_EVENTS) find("events").firstElementChild.remove();
  find("count").textContent = `up to ${seq}`;
}

function append(view) {
  const pane = find("messages");
  const atEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 80;
  if (view && !view.node.isConnected) pane.append(view.node);
  if (atEnd) pane.scrollTop = pane.scrollHeight;
}

function followRun(runId, view, messageId) {
  state.stopFollowing();
  find("events").replaceChildren();
  busy(runId);
  state.stopFollowing = follow(documents.RUN_EVENTS, { run: runId }, {
    onEvent: (event) => {
      list(event);
      view.apply(event);
      append(view);
    },
    onState: (name) => (find("state").textContent = name),
    onEnd: (error) => {
      if (error) problem(error);
      busy(null);
      offerRegeneration(view, messageId);
      loadConversations();
      find("text").focus();
    },
  });
}

function offerRegeneration(view, messageId) {
  const button = element("button", { type: "button", className: "plain", textContent: "Answer again" });
  button.onclick = () => attempt(async () => {
    const clientId = crypto.randomUUID();
    started(await ask(documents.REGENERATE, { input: { messageId, clientId } }), view.node);
  });
  view.footer.append(button);
}

function started(asked, replaces = null) {
  const view = new MessageView({ role: "ASSISTANT", status: "STREAMING" });
  replaces?.remove();
  append(view);
  followRun(asked.run.id, view, asked.assistantMessage.id);
  if (state.conversation !== asked.conversation.id) show(asked.conversation.id);
}

function show(id) {
  state.conversation = id;
  history.replaceState(null, "", id ? `#${id}` : location.pathname);
  state.stopWatching();
  if (id) {
    state.stopWatching = follow(documents.CONVERSATION_EVENTS, { conversation: id }, {
      onEvent: (event) => {
        if (event.__typename === "TitleChanged") {
          find("title").textContent = event.conversation?.title || "Conversation";
          loadConversations();
        }
      },
    });
  }
}

async function open(id) {
  state.stopFollowing();
  busy(null);
  const found = await ask(documents.CONVERSATION, { id });
  if (!found) throw new Error("This conversation is not there any more.");
  show(id);
  find("title").textContent = found.title || "Conversation";
  if (found.agent) find("agent").value = found.agent.id;
  find("messages").replaceChildren();
  for (const message of found.activeBranch) {
    const view = new MessageView(message);
    append(view);
    if (message.role !== "ASSISTANT") continue;
    if (message.status === "STREAMING" && message.run) {
      followRun(message.run.id, view, message.id);
      continue;
    }
    for (const part of message.parts) {
      if (part.__typename === "ReasoningMessagePart") view.grow("Thinking", part.text);
    }
    if (message.run) view.account(message.run);
    offerRegeneration(view, message.id);
    if (message.run?.error) view.note(message.run.error.message, true);
  }
  find("messages").scrollTop = find("messages").scrollHeight;
  loadConversations();
}

function begin() {
  state.stopFollowing();
  busy(null);
  show(null);
  find("title").textContent = "New conversation";
  find("messages").replaceChildren();
  find("text").focus();
}

async function send() {
  const text = find("text").value;
  if (!text.trim() || state.run) return;
  const target = state.conversation ? { conversationId: state.conversation } : { agentId: find("agent").value };
  const asked = await ask(documents.SEND, { input: { text, clientId: crypto.randomUUID(), ...target } });
  find("text").value = "";
  append(new MessageView({ role: "USER", status: "COMPLETE", text }));
  started(asked);
}

async function loadConversations() {
  const { edges } = await ask(documents.CONVERSATIONS);
  const items = edges.map(({ node }) => {
    const button = element("button", { type: "button", textContent: node.title || "New conversation" });
    if (node.id === state.conversation) button.setAttribute("aria-current", "true");
    button.onclick = () => attempt(() => open(node.id));
    return element("li", {}, button);
  });
  find("conversations").replaceChildren(...items);
}

async function loadAgents() {
  const { edges } = await ask(documents.AGENTS);
  const agents = new Map(edges.map(({ node }) => [node.id, node]));
  const about = () => {
    const agent = agents.get(find("agent").value);
    const model = agent?.effectiveModel ? ` Model: ${agent.effectiveModel.name}.` : "";
    find("agent-about").textContent = `${agent?.description ?? ""}${model}`;
  };
  find("agent").replaceChildren(...edges.map(({ node }) => new Option(node.name, node.id)));
  find("agent").disabled = false;
  find("agent").onchange = () => (about(), begin());
  about();
}

function askToSignIn() {
  find("sign-in").showModal();
  find("credentials").onsubmit = async (event) => {
    event.preventDefault();
    const { email, password } = Object.fromEntries(new FormData(event.target));
    const up = event.submitter.value === "up";
    const more = up ? { displayName: email.split("@")[0], tenantName: email } : {};
    try {
      await signIn(up ? documents.SIGN_UP : documents.SIGN_IN, { email, password, ...more });
      find("sign-in").close();
      await start();
    } catch (error) {
      find("sign-in-problem").textContent = error.message;
      find("sign-in-problem").hidden = false;
    }
  };
}

async function start() {
  if (!(await token())) return askToSignIn();
  find("state").textContent = "ready";
  await loadAgents();
  await loadConversations();
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (wanted) await open(wanted);
  find("text").focus();
}

find("composer").onsubmit = (event) => {
  event.preventDefault();
  attempt(send);
};
find("text").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    attempt(send);
  }
};
find("stop").onclick = () => attempt(() => ask(documents.STOP, { input: { runId: state.run } }));
find("new").onclick = begin;

attempt(start);
