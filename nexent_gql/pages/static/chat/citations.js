// The passages that an answer cites: a list below it, and marks such as [1] in its text that lead to the list.

import { link } from "../lib/router.js";
import { t } from "../lib/texts.js";
import { html } from "../lib/ui.js";

const MARK = /\[([^\[\]\s]{1,12})\]/g;

export function Citations({ citations }) {
  if (!citations.length) return null;
  return html`<section class="citations" aria-label=${t("citations")}>
    ${citations.map((citation) => html`<${Citation} key=${citation.label} citation=${citation} />`)}
  </section>`;
}

function Citation({ citation }) {
  const { label, title, quote, url, page, slide, sheet, heading, changedSince } = citation;
  const places = [page && t("unit.PAGE", { number: page }), slide && t("unit.SLIDE", { number: slide }), sheet, heading];
  const isWeb = /^https?:\/\//i.test(url ?? "");
  const address = passageLink(citation);
  return html`<details class="citation" data-label=${label}>
    <summary><bdi>[${label}] ${title}</bdi> <span class="quiet"><bdi>${places.filter(Boolean).join(" › ")}</bdi></span></summary>
    ${quote && html`<blockquote dir="auto">${quote}</blockquote>`}
    ${changedSince && html`<p class="quiet">${t("citation.changed")}</p>`}
    ${address && html`<a href=${address}>${t("citation.open")}</a>`}
    ${isWeb && html`<a href=${url} target="_blank" rel="noopener noreferrer nofollow"><bdi>${url}</bdi></a>`}
  </details>`;
}

// The address of the cited passage in its document; null if the document cannot be read.
function passageLink({ document, start, end }) {
  if (!document?.knowledgeBase) return null;
  const place = start === null || end === null ? [] : [`${start}-${end}`];
  return link("knowledge", document.knowledgeBase.id, document.id, ...place);
}

// Makes buttons of the marks in a finished text whose labels are cited.
export function linkMarks(node, citations) {
  if (!citations.length) return;
  const labels = new Set(citations.map(({ label }) => label));
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT, (text) =>
    text.parentElement.closest("pre, code, a, button") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) linkMarksOf(text, labels);
}

function linkMarksOf(text, labels) {
  const parts = [];
  let position = 0;
  for (const match of text.data.matchAll(MARK)) {
    if (!labels.has(match[1])) continue;
    parts.push(text.data.slice(position, match.index), markButton(match[1]));
    position = match.index + match[0].length;
  }
  if (parts.length) text.replaceWith(...parts, text.data.slice(position));
}

function markButton(label) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "plain cite", textContent: `[${label}]` });
  button.onclick = () => {
    const citations = button.closest(".message").querySelectorAll(".citation");
    const citation = [...citations].find((each) => each.dataset.label === label);
    if (!citation) return;
    citation.open = true;
    citation.scrollIntoView({ block: "nearest" });
    citation.firstElementChild.focus();
  };
  return button;
}
