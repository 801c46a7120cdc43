// Search in titles and messages, with the matches marked.

import { SEARCH_CONVERSATIONS } from "../documents/conversations.js";
import { askAll } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { link } from "../lib/router.js";
import { t } from "../lib/texts.js";
import { html, signal } from "../lib/ui.js";

const PAUSE_MS = 250;
const MAX_LENGTH = 200;

export const query = signal("");
const results = signal(null);
let timer = null;

function changeQuery(event) {
  query.value = event.target.value;
  clearTimeout(timer);
  timer = setTimeout(() => attempt(search), PAUSE_MS);
}

async function search() {
  const text = query.value.trim();
  if (!text) return (results.value = null);
  const answer = await askAll(SEARCH_CONVERSATIONS, { query: text });
  if (query.value.trim() === text) results.value = answer;
}

export function SearchField() {
  return html`<input class="find" type="search" maxlength=${MAX_LENGTH} value=${query.value} dir="auto" aria-label=${t("conversations.search")}
    placeholder=${t("conversations.search")} onInput=${changeQuery} />`;
}

// Splits a text at its highlights, which count characters of Unicode.
function mark(text, highlights) {
  const characters = [...text];
  const parts = [];
  let position = 0;
  for (const { start, end } of highlights) {
    parts.push(characters.slice(position, start).join(""), html`<mark>${characters.slice(start, end).join("")}</mark>`);
    position = end;
  }
  return [...parts, characters.slice(position).join("")];
}

export function SearchResults() {
  if (!results.value) return html`<div class="results" role="status">${t("loading")}</div>`;
  const titles = results.value.conversations.nodes;
  const matches = results.value.searchMessages.nodes.filter(({ conversation }) => conversation);
  return html`<nav class="results" aria-label=${t("search.results")}>
    ${!titles.length && !matches.length && html`<p class="quiet" role="status">${t("conversations.nothing")}</p>`}
    ${titles.map(({ id, title, titleMatches }) => html`<a key=${id} href=${link("c", id)}><bdi>${mark(title || t("conversation.new"), titleMatches)}</bdi></a>`)}
    ${matches.map(({ message, conversation, snippet }) => html`<a key=${message.id} href=${link("c", conversation.id)}>
      <span class="quiet"><bdi>${conversation.title || t("conversation.new")}</bdi></span><br /><span dir="auto">${mark(snippet.text, snippet.highlights)}</span></a>`)}
  </nav>`;
}
