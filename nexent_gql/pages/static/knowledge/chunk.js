// One passage of a document, with the terms that a search has found.

import { formatNumber, t } from "../lib/texts.js";
import { html } from "../lib/ui.js";

const MAX_TERMS = 50;

export function place({ unitKind, unitNumber, unitName, headings }) {
  const unit = unitKind && unitNumber !== null ? t(`unit.${unitKind}`, { number: formatNumber(unitNumber) }) : unitName;
  return [unit, ...(headings ?? [])].filter(Boolean).join(" › ");
}

// Splits a text at the terms, so that they can be marked without any markup in the text.
export function marked(text, terms) {
  const words = terms.filter(Boolean).slice(0, MAX_TERMS).map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!words.length) return text;
  const parts = text.split(new RegExp(`(${words.join("|")})`, "giu"));
  return parts.map((part, index) => (index % 2 ? html`<mark>${part}</mark>` : part));
}

export function Chunk({ chunk, terms = [], isTarget = false, children }) {
  return html`<article class=${isTarget ? "chunk target" : "chunk"} id=${`chunk-${chunk.id}`} tabindex=${isTarget ? "-1" : null}
      ref=${(node) => isTarget && node?.scrollIntoView({ block: "center" })}>
    <header class="quiet"><bdi>${place(chunk)}</bdi>${children}</header>
    <p dir="auto">${marked(chunk.text, terms)}</p>
  </article>`;
}
