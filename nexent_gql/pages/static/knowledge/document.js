// One document with its chunks: they are searched, edited and disabled. The place in the address is scrolled into view
// and highlighted.

import { DOCUMENT_CHUNKS } from "../documents/knowledge.js";
import { askAll } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { link } from "../lib/router.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useEffect, useRef, useState } from "../lib/ui.js";
import { Screen } from "../shell/screen.js";
import { EditableChunk } from "./chunk-editor.js";
import { Preview } from "./preview.js";

// Returns whether a chunk is the place of the address, which is the ID of a chunk or a range of the text, "120-345".
function isPlace(chunk, place) {
  const range = /^(\d+)-(\d+)$/.exec(place ?? "");
  if (!range) return chunk.id === place;
  return chunk.start < Number(range[2]) && chunk.end > Number(range[1]);
}

const MAX_SEARCHED = 1_000;
const EMPTY = { document: null, chunks: [], cursor: null, total: 0, isLoaded: false };

// Reads pages of chunks until `place` is among them.
async function readChunks(id, search, after, previous, place) {
  const { document, documentChunks } = await askAll(DOCUMENT_CHUNKS, { id, after, search: search || null });
  const chunks = [...previous, ...(documentChunks?.nodes ?? [])];
  const cursor = documentChunks?.pageInfo.hasNextPage ? documentChunks.pageInfo.endCursor : null;
  const isShown = !place || chunks.some((chunk) => isPlace(chunk, place));
  if (!isShown && cursor && chunks.length < MAX_SEARCHED) return readChunks(id, search, cursor, chunks, place);
  return { document, chunks, cursor, total: documentChunks?.totalCount ?? 0, isLoaded: true };
}

export function DocumentScreen({ baseId, documentId, place }) {
  const [state, setState] = useState(EMPTY);
  const [search, setSearch] = useState("");
  const newest = useRef(""); // an answer to an earlier search is dropped
  const load = (text, after = null, previous = []) => attempt(async () => {
    newest.current = text;
    const next = await readChunks(documentId, text, after, previous, text ? null : place);
    if (newest.current === text) setState(next);
  });
  useEffect(() => void load(""), []);
  const { document, chunks, cursor, total, isLoaded } = state;
  const find = (text) => {
    setSearch(text);
    load(text);
  };
  const put = (chunk) => setState((now) => ({ ...now, chunks: now.chunks.map((each) => (each.id === chunk.id ? chunk : each)) }));
  const target = place && !search ? chunks.find((chunk) => isPlace(chunk, place)) : null;
  const title = document ? document.title || document.name : isLoaded ? t("document.missing") : t("loading");
  return html`<${Screen} title=${title} actions=${html`<a href=${link("knowledge", baseId)}>${t("back")}</a>`}>
    ${document && html`<${Facts} document=${document} />`}
    ${document && html`<${ChunkSearch} onSearch=${find} />`}
    ${document && html`<p class="quiet" role="status">${t("chunks.count", { count: formatNumber(total) })}</p>`}
    ${document && !search && html`<${Preview} baseId=${baseId} document=${document} />`}
    ${chunks.map((chunk) => html`<${EditableChunk} key=${chunk.id} chunk=${chunk} isTarget=${chunk === target} terms=${[search]} onChange=${put} />`)}
    ${cursor && html`<button type="button" onClick=${() => load(search, cursor, chunks)}>${t("more")}</button>`}
  <//>`;
}

function Facts({ document }) {
  const { name, title, state, stage, problem, version, currentVersion } = document;
  const isOutdated = currentVersion !== null && currentVersion !== version;
  return html`
    <p class="quiet">${title && title !== name && html`<bdi>${name}</bdi> · `}${state === "PROCESSING" ? t(`stage.${stage}`) : t(`state.${state}`)}
      ${isOutdated && html` · ${t("document.version", { current: currentVersion, latest: version })}`}</p>
    ${problem && html`<p class="error" role="alert" dir="auto">${problem.message}</p>`}`;
}

function ChunkSearch({ onSearch }) {
  const submit = (event) => {
    event.preventDefault();
    onSearch(new FormData(event.target).get("query").trim());
  };
  const clear = (event) => event.target.value === "" && onSearch("");
  return html`<form class="search" role="search" onSubmit=${submit}>
    <input name="query" type="search" maxlength="200" dir="auto" aria-label=${t("chunks.search")} placeholder=${t("chunks.search")} onInput=${clear} />
    <button type="submit">${t("search")}</button>
  </form>`;
}
