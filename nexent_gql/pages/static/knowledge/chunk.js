// One passage of a document, with the terms that a search has found.

import { formatNumber, t } from "../lib/texts.js";
import { html, useEffect, useRef } from "../lib/ui.js";

const MAX_TERMS = 50;

export function place({ attachment, unitKind, unitNumber, unitName, headings }) {
  const unit = unitKind && unitNumber !== null ? t(`unit.${unitKind}`, { number: formatNumber(unitNumber) }) : unitName;
  return [attachment, unit, ...(headings ?? [])].filter(Boolean).join(" › ");
}

// Splits a text at the terms, so that they can be marked without any markup in the text.
export function marked(text, terms) {
  const words = terms.filter(Boolean).slice(0, MAX_TERMS).map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!words.length) return text;
  const parts = text.split(new RegExp(`(${words.join("|")})`, "giu"));
  return parts.map((part, index) => (index % 2 ? html`<mark>${part}</mark>` : part));
}

export function Chunk({ chunk, terms = [], isTarget = false, children }) {
  const node = useRef(null);
  useEffect(() => {
    if (isTarget) node.current.scrollIntoView({ block: "center" });
  }, [isTarget]);
  return html`<article class=${isTarget ? "chunk target" : "chunk"} id=${chunk.id && `chunk-${chunk.id}`} ref=${node}
      data-disabled=${chunk.isEnabled === false ? "true" : null} tabindex=${isTarget ? "-1" : null}>
    <header class="quiet"><bdi>${place(chunk)}</bdi>${children}</header>
    <p dir="auto">${marked(chunk.text, terms)}</p>
  </article>`;
}
