// The developer view: run and trace of an answer, its raw events, and the GraphQL documents that the page has sent.

import { loadSteps, messages } from "../chat/conversation.js";
import { CopyButton } from "../lib/copy-button.js";
import { operations } from "../lib/http.js";
import { Icon } from "../lib/icons.js";
import { attempt } from "../lib/notices.js";
import { t } from "../lib/texts.js";
import { html, useState } from "../lib/ui.js";
import { isPanelOpen } from "../shell/sidebar.js";

const MAX_SHOWN_EVENTS = 300;

export function DeveloperPanel() {
  return html`<section id="developer" class="panel" aria-labelledby="developer-title" tabindex="0">
    <header><h2 id="developer-title">${t("developer")}</h2>
      <button type="button" class="plain icon" aria-label=${t("close")} onClick=${() => (isPanelOpen.value = false)}><${Icon} name="close" /></button>
    </header>
    <${Runs} />
    <${Operations} />
  </section>`;
}

// The newest answer is shown until another one is chosen.
function Runs() {
  const [chosenId, choose] = useState(null);
  const answers = messages.value.filter((message) => message.run.value);
  const answer = answers.find(({ id }) => id === chosenId) ?? answers.at(-1);
  if (!answer) return html`<p class="quiet">${t("developer.no-run")}</p>`;
  const { id, traceId } = answer.run.value;
  const hasEvents = answer.eventCount.value > 0;
  return html`
    <label>${t("developer.run")} <select id="run" onChange=${(event) => choose(event.target.value)}>
      ${answers.map((each, index) => html`<option key=${each.id} value=${each.id} selected=${each === answer}>${t("developer.answer", { number: index + 1 })}</option>`)}
    </select></label>
    <dl class="facts">
      <dt>${t("developer.run-id")}</dt><dd><code>${id}</code> <${CopyButton} text=${id} label=${t("developer.copy-run-id")} /></dd>
      <dt>${t("developer.trace-id")}</dt><dd>${traceId
        ? html`<code>${traceId}</code> <${CopyButton} text=${traceId} label=${t("developer.copy-trace-id")} />`
        : html`<span class="quiet">${t("developer.no-trace")}</span>`}</dd>
    </dl>
    <${Events} events=${answer.events} />
    ${!hasEvents && answer.isComplete.value && html`<button type="button" onClick=${() => attempt(() => loadSteps(answer))}>${t("developer.load-events")}</button>`}`;
}

// The rows of one frame are mostly those of the frame before; Preact passes over a node that it has drawn already.
const bodies = new WeakMap();

function bodyOf(event) {
  if (!bodies.has(event)) {
    const { __typename, seq, at, cursor, ...rest } = event;
    bodies.set(event, html`<code>${JSON.stringify(rest)}</code>`);
  }
  return bodies.get(event);
}

function Events({ events }) {
  const began = events.length ? Date.parse(events[0].at) : 0;
  const lastedMs = Math.max(1, events.length ? Date.parse(events.at(-1).at) - began : 1);
  return html`<h3>${t("developer.events", { count: events.length })}</h3>
    <ol id="events">${events.slice(-MAX_SHOWN_EVENTS).map((event) => {
      const { __typename, seq, at, cursor } = event;
      return html`<li key=${seq} title=${cursor}><b>${seq} ${__typename}</b> <span class="quiet">+${Date.parse(at) - began} ms</span>
        <progress max=${lastedMs} value=${Date.parse(at) - began} aria-hidden="true"></progress>
        ${bodyOf(event)}</li>`;
    })}</ol>`;
}

// GraphiQL opens the document that the fragment of its address has, and runs nothing by itself.
function inGraphiql({ document, variables }) {
  return `/graphql#${encodeURIComponent(JSON.stringify({ query: document, variables }))}`;
}

function Operations() {
  return html`<h3>${t("developer.operations")}</h3>
    <ol id="operations">${operations.value.map((operation) => html`<li key=${operation.at + operation.name}>
      <details><summary><b>${operation.name}</b> <span class="quiet">
        ${operation.durationMs === undefined ? t("developer.subscription") : `${operation.durationMs} ms`} ${operation.requestId}</span></summary>
        <a href=${inGraphiql(operation)} target="_blank">${t("developer.graphiql")}</a>
        <pre tabindex="0">${operation.document}</pre><pre tabindex="0">${operation.variables}</pre></details>
    </li>`)}</ol>`;
}
