// The developer view: the raw events of the newest answer, and the GraphQL documents that the page has sent.

import { messages } from "../chat/conversation.js";
import { operations } from "../lib/http.js";
import { Icon } from "../lib/icons.js";
import { t } from "../lib/texts.js";
import { html } from "../lib/ui.js";
import { isPanelOpen } from "../shell/sidebar.js";

const MAX_SHOWN_EVENTS = 300;

export function DeveloperPanel() {
  return html`<section id="developer" class="panel" aria-labelledby="developer-title" tabindex="0">
    <header><h2 id="developer-title">${t("developer")}</h2>
      <button type="button" class="plain icon" aria-label=${t("close")} onClick=${() => (isPanelOpen.value = false)}><${Icon} name="close" /></button>
    </header>
    <${Events} />
    <${Operations} />
  </section>`;
}

function Events() {
  const answer = messages.value.findLast((message) => message.events.value.length);
  const events = answer?.events.value ?? [];
  const began = events.length ? Date.parse(events[0].at) : 0;
  const lastedMs = Math.max(1, events.length ? Date.parse(events.at(-1).at) - began : 1);
  return html`<h3>${t("developer.events", { count: events.length })}</h3>
    <ol id="events">${events.slice(-MAX_SHOWN_EVENTS).map((event) => {
      const { __typename, seq, at, cursor, ...rest } = event;
      return html`<li key=${seq} title=${cursor}><b>${seq} ${__typename}</b> <span class="quiet">+${Date.parse(at) - began} ms</span>
        <progress max=${lastedMs} value=${Date.parse(at) - began} aria-hidden="true"></progress>
        <code>${JSON.stringify(rest)}</code></li>`;
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
