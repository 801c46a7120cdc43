// One document with its chunks. The place in the address is scrolled into view and highlighted.

import { DOCUMENT_CHUNKS } from "../documents/knowledge.js";
import { askAll } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { link } from "../lib/router.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { Screen } from "../shell/screen.js";
import { Chunk } from "./chunk.js";

// Returns whether a chunk is the place of the address, which is the ID of a chunk or a range of the text, "120-345".
function isPlace(chunk, place) {
  const range = /^(\d+)-(\d+)$/.exec(place ?? "");
  if (!range) return chunk.id === place;
  return chunk.start < Number(range[2]) && chunk.end > Number(range[1]);
}

const MAX_SEARCHED = 1_000;

export function DocumentScreen({ baseId, documentId, place }) {
  const [state, setState] = useState({ document: null, chunks: [], cursor: null, total: 0, isLoaded: false });
  const load = (after, chunks) => attempt(async () => {
    const { document, documentChunks } = await askAll(DOCUMENT_CHUNKS, { id: documentId, after });
    const all = [...chunks, ...(documentChunks?.nodes ?? [])];
    const cursor = documentChunks?.pageInfo.hasNextPage ? documentChunks.pageInfo.endCursor : null;
    setState({ document, chunks: all, cursor, total: documentChunks?.totalCount ?? 0, isLoaded: true });
    const isShown = !place || all.some((chunk) => isPlace(chunk, place));
    if (!isShown && cursor && all.length < MAX_SEARCHED) await load(cursor, all);
  });
  useEffect(() => void load(null, []), []);
  const { document, chunks, cursor, total, isLoaded } = state;
  const target = place ? chunks.find((chunk) => isPlace(chunk, place)) : null;
  const title = document ? document.title || document.name : isLoaded ? t("document.missing") : t("loading");
  return html`<${Screen} title=${title} actions=${html`<a href=${link("knowledge", baseId)}>${t("back")}</a>`}>
    ${document && html`<p class="quiet">${t("chunks.count", { count: formatNumber(total) })}</p>`}
    ${document?.problem && html`<p class="error" role="alert">${document.problem.message}</p>`}
    ${chunks.map((chunk) => html`<${Chunk} key=${chunk.id} chunk=${chunk} isTarget=${chunk === target} />`)}
    ${cursor && html`<button type="button" onClick=${() => load(cursor, chunks)}>${t("more")}</button>`}
  <//>`;
}
