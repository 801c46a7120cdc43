// A search of one knowledge base, with the reasons for the order of its hits.

import { SEARCH_KNOWLEDGE } from "../documents/knowledge.js";
import { ask } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { link } from "../lib/router.js";
import { t } from "../lib/texts.js";
import { html, useState } from "../lib/ui.js";
import { Chunk } from "./chunk.js";

const MODES = ["HYBRID", "KEYWORD", "SEMANTIC"];

export function SearchPanel({ baseId, hasGraph }) {
  const [result, setResult] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const search = async (event) => {
    event.preventDefault();
    const { query, mode, expandGraph } = Object.fromEntries(new FormData(event.target));
    if (isBusy) return;
    if (!query.trim()) return setResult(null);
    setBusy(true);
    setResult(await attempt(() => ask(SEARCH_KNOWLEDGE, { input: { query, mode, expandGraph: expandGraph === "on", knowledgeBaseIds: [baseId] } })));
    setBusy(false);
  };
  return html`<section aria-label=${t("search.try")}>
    <form class="search" role="search" onSubmit=${search}>
      <input name="query" type="search" aria-label=${t("search.try")} placeholder=${t("search.try")} dir="auto" />
      <select name="mode" aria-label=${t("search.mode")}>${MODES.map((mode) => html`<option value=${mode}>${t(`search.mode.${mode}`)}</option>`)}</select>
      ${hasGraph && html`<label class="check"><input type="checkbox" name="expandGraph" /> <span>${t("search.graph")}</span></label>`}
      <button type="submit" aria-disabled=${isBusy ? "true" : null}>${t("search")}</button>
    </form>
    <div role="status">${result && (result.hits.length ? null : t("search.nothing"))}</div>
    ${result?.graphEntities.length > 0 && html`<p class="quiet">${t("search.entities")}: <bdi>${result.graphEntities.join(", ")}</bdi></p>`}
    ${result && html`<ol class="hits">${result.hits.map((hit) => html`<li key=${hit.chunk.id}><${Hit} baseId=${baseId} hit=${hit} /></li>`)}</ol>`}
  </section>`;
}

function Hit({ baseId, hit }) {
  const { chunk, document, score, explain } = hit;
  const facts = ["bm25", "cosine", "coverage", "graphScore"].filter((name) => explain[name] !== null && explain[name] !== undefined);
  return html`<${Chunk} chunk=${chunk} terms=${explain.terms}>
    ${document && html`<a href=${link("knowledge", baseId, document.id, chunk.id)}><bdi>${document.title || document.name}</bdi></a>`}
    <details><summary>${t("search.score", { score: score.toFixed(3) })}</summary>
      <dl>${facts.map((name) => html`<dt>${t(`search.${name}`)}</dt><dd>${explain[name].toFixed(3)}</dd>`)}
        ${explain.terms.length > 0 && html`<dt>${t("search.terms")}</dt><dd dir="auto">${explain.terms.join(", ")}</dd>`}</dl>
    </details>
  <//>`;
}
