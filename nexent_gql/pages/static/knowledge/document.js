// One document with its chunks. A chunk in the address is scrolled into view and highlighted.

import { DOCUMENT_CHUNKS } from "../documents/knowledge.js";
import { askAll } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { link } from "../lib/router.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { Screen } from "../shell/screen.js";
import { Chunk } from "./chunk.js";

const MAX_SEARCHED = 1_000;

export function DocumentScreen({ baseId, documentId, chunkId }) {
  const [state, setState] = useState({ document: null, chunks: [], cursor: null, total: 0, isLoaded: false });
  const load = (after, chunks) => attempt(async () => {
    const { document, documentChunks } = await askAll(DOCUMENT_CHUNKS, { id: documentId, after });
    const all = [...chunks, ...(documentChunks?.nodes ?? [])];
    const cursor = documentChunks?.pageInfo.hasNextPage ? documentChunks.pageInfo.endCursor : null;
    setState({ document, chunks: all, cursor, total: documentChunks?.totalCount ?? 0, isLoaded: true });
    const isShown = !chunkId || all.some(({ id }) => id === chunkId);
    if (!isShown && cursor && all.length < MAX_SEARCHED) await load(cursor, all);
  });
  useEffect(() => void load(null, []), []);
  const { document, chunks, cursor, total, isLoaded } = state;
  const title = document ? document.title || document.name : isLoaded ? t("document.missing") : t("loading");
  return html`<${Screen} title=${title} actions=${html`<a href=${link("knowledge", baseId)}>${t("back")}</a>`}>
    ${document && html`<p class="quiet">${t("chunks.count", { count: formatNumber(total) })}</p>`}
    ${document?.problem && html`<p class="error" role="alert">${document.problem.message}</p>`}
    ${chunks.map((chunk) => html`<${Chunk} key=${chunk.id} chunk=${chunk} isTarget=${chunk.id === chunkId} />`)}
    ${cursor && html`<button type="button" onClick=${() => load(cursor, chunks)}>${t("more")}</button>`}
  <//>`;
}
