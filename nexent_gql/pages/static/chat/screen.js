// The screen of a conversation: its messages, and the field for the next one.

import { agents, chooseAgent, chosenAgentId, loadAgents } from "./agents.js";
import { attach } from "./attachments.js";
import { Composer, propose } from "./composer.js";
import { current, hasEarlier, isLoading, isMissing, loadEarlier, messages, openConversation, running } from "./conversation.js";
import { Message } from "./message.js";
import { attempt } from "../lib/notices.js";
import { link } from "../lib/router.js";
import { t } from "../lib/texts.js";
import { html, useEffect, useRef, useState } from "../lib/ui.js";
import { droppedFiles } from "../lib/drops.js";

const NEAR_END_PX = 80;

export function ChatScreen({ conversationId }) {
  useEffect(() => void attempt(() => openConversation(conversationId)), [conversationId]);
  useEffect(() => void attempt(loadAgents), []);
  const title = current.value ? current.value.title || t("conversation") : t("conversation.new");
  useEffect(() => {
    document.title = `${title} · nexent_gql`;
  }, [title]);
  const hasNoAgent = agents.value?.length === 0; // the first steps are shown
  const drop = async (event) => {
    event.preventDefault();
    attach((await droppedFiles(event.dataTransfer)).map(({ file }) => file));
  };
  return html`<div class="screen" onDragOver=${(event) => event.preventDefault()} onDrop=${drop}>
    <header class="top"><h1 id="title"><bdi>${title}</bdi></h1>${!current.value && !hasNoAgent && html`<${AgentChoice} />`}</header>
    ${isMissing.value ? html`<p class="empty">${t("conversation.missing")}</p>` : html`<${MessageList} />`}
    ${!isMissing.value && (current.value || !hasNoAgent) && html`<${Composer} />`}
    <p class="off-screen" role="status">${running.value.length ? t("answering") : messages.value.length ? t("answered") : ""}</p>
  </div>`;
}

function AgentChoice() {
  const choices = agents.value ?? [];
  const agent = choices.find(({ id }) => id === chosenAgentId.value);
  const model = agent?.route?.name ?? agent?.effectiveModel?.name;
  return html`<div class="agent">
    <label for="agent">${t("agent")}</label>
    <select id="agent" disabled=${!choices.length} value=${chosenAgentId.value}
        onChange=${(event) => chooseAgent(event.target.value)}>
      ${choices.map(({ id, name }) => html`<option key=${id} value=${id} selected=${id === chosenAgentId.value}>${name}</option>`)}
    </select>
    ${model && html`<span class="quiet" title=${model}>${t("agent.model", { model })}</span>`}
  </div>`;
}

function MessageList() {
  const pane = useRef(null);
  const content = useRef(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const sticks = useRef(true);

  const onScroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = pane.current;
    sticks.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    setAtEnd(sticks.current);
  };
  const toEnd = () => {
    if (!pane.current) return; // an observer may report after the list has gone
    sticks.current = true;
    pane.current.scrollTop = pane.current.scrollHeight;
  };
  useEffect(() => {
    const observer = new ResizeObserver(() => sticks.current && toEnd());
    observer.observe(content.current);
    observer.observe(pane.current);
    return () => observer.disconnect();
  }, []);
  useEffect(toEnd, [current.value?.id, messages.value.at(-1)?.id]);

  return html`<section id="messages" ref=${pane} onScroll=${onScroll} tabindex="0" role="log" aria-live="off" aria-label=${t("messages")}>
    <div ref=${content}>
      ${isLoading.value && html`<p class="empty"><span class="busy"></span> ${t("loading")}</p>`}
      ${hasEarlier.value && html`<button type="button" class="plain earlier" onClick=${() => attempt(loadEarlier)}>${t("earlier")}</button>`}
      ${!current.value && !messages.value.length && html`<${Welcome} />`}
      ${messages.value.map((message) => html`<${Message} key=${message.id} message=${message} />`)}
    </div>
    ${!isAtEnd && html`<button type="button" class="to-end" onClick=${toEnd}>${t("to-end")}</button>`}
  </section>`;
}

function Welcome() {
  const agent = agents.value?.find(({ id }) => id === chosenAgentId.value);
  if (agents.value?.length === 0) return html`<${FirstSteps} />`;
  return html`<div class="welcome">
    <h2 dir="auto">${agent?.greeting || t("welcome")}</h2>
    <p class="quiet" dir="auto">${agent?.description || t("welcome.hint")}</p>
    <ul class="starters">${agent?.starters.map((text) => html`<li key=${text}><button type="button" dir="auto" onClick=${() => propose(text)}>${text}</button></li>`)}</ul>
  </div>`;
}

function FirstSteps() {
  return html`<div class="welcome">
    <h2>${t("first-steps")}</h2>
    <ol class="first-steps">
      <li><a href=${link("models")}>${t("model.register")}</a> <span class="quiet">${t("first-steps.model")}</span></li>
      <li><a href=${link("knowledge")}>${t("first-steps.documents")}</a> <span class="quiet">${t("first-steps.documents.hint")}</span></li>
      <li><a href=${link("agents", "new")}>${t("agent.create")}</a> <span class="quiet">${t("first-steps.agent")}</span></li>
    </ol>
  </div>`;
}
