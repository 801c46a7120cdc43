// The documents of a base with stage, progress and problems.

import { Icon } from "../lib/icons.js";
import { attempt } from "../lib/notices.js";
import { link, route } from "../lib/router.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useState } from "../lib/ui.js";

const UNFINISHED = new Set(["QUEUED", "PROCESSING"]);
const MAX_UPLOADS = 20;
const PAGE_SIZE = 100;

export function DocumentList({ store }) {
  const [limit, setLimit] = useState(PAGE_SIZE);
  const documents = store.documents.value;
  const count = store.totalCount.value;
  const showMore = () => attempt(async () => {
    if (documents.length < limit + PAGE_SIZE && store.hasMore.value) await store.load();
    setLimit(limit + PAGE_SIZE);
  });
  return html`<section aria-labelledby="documents-title">
    <h2 id="documents-title">${t("documents", { count: count === null ? "…" : formatNumber(count) })}</h2>
    ${count === 0 && !store.uploads.value.length && html`<p class="empty drop">${t("documents.none")}</p>`}
    <ul class="documents">
      <${Uploads} store=${store} />
      ${documents.slice(0, limit).map((document) => html`<${Document} key=${document.id} document=${document} store=${store} />`)}
    </ul>
    ${(store.hasMore.value || documents.length > limit) && html`<button type="button" onClick=${showMore}>${t("more")}</button>`}
  </section>`;
}

// Shows the uploads that failed and some of the others; a folder may have thousands.
function Uploads({ store }) {
  const failed = store.uploads.value.filter(({ error }) => error.value);
  const others = store.uploads.value.filter(({ error }) => !error.value);
  const rows = [...failed.slice(0, PAGE_SIZE), ...others.slice(0, MAX_UPLOADS)];
  const hiddenCount = store.uploads.value.length - rows.length;
  return html`
    ${rows.map((upload) => html`<${Upload} key=${upload.id} upload=${upload} store=${store} />`)}
    ${hiddenCount > 0 && html`<li class="quiet">${t("uploads.more", { count: formatNumber(hiddenCount) })}</li>`}`;
}

function Upload({ upload, store }) {
  const { path, progress, error } = upload;
  return html`<li>
    <span class="name"><bdi>${path}</bdi></span>
    ${error.value
      ? html`<span class="error" role="alert">${error.value.message}</span>
          <button type="button" onClick=${() => store.send(upload)}>${t("retry")}</button>
          <button type="button" class="plain icon" aria-label=${t("attach.remove", { name: path })} onClick=${() => store.dismiss(upload)}><${Icon} name="close" /></button>`
      : html`<progress max="1" value=${progress.value} aria-label=${t("upload.progress", { name: path })}></progress>`}
  </li>`;
}

function Document({ document, store }) {
  const [isCertain, setCertain] = useState(false);
  const { id, name, state, stage, progress, chunkCount, problem, partProblems, version } = document;
  const isUnfinished = UNFINISHED.has(state);
  const remove = () => (isCertain ? attempt(() => store.remove(document)) : setCertain(true));
  const replace = (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) store.replace(document, file);
  };
  return html`<li data-state=${state} data-version=${version}>
    <a class="name" href=${link("knowledge", route.value[1], id)}><bdi>${name}</bdi></a>
    <span class="quiet">${state === "PROCESSING" ? t(`stage.${stage}`) : t(`state.${state}`)}</span>
    ${isUnfinished && html`<progress max="1" value=${progress} aria-label=${t("document.progress", { name })}></progress>`}
    ${state === "READY" && html`<span class="quiet">${t("chunks.count", { count: formatNumber(chunkCount) })}</span>`}
    ${problem && html`<span class="error" dir="auto">${problem.message}</span>`}
    ${partProblems.length > 0 && html`<details><summary>${t("document.parts", { count: partProblems.length })}</summary>
      <ul>${partProblems.map(({ part, message }) => html`<li><bdi>${part}</bdi>: ${message}</li>`)}</ul></details>`}
    <span class="actions">
      ${isUnfinished && html`<button type="button" class="plain" onClick=${() => store.cancel(document)}>${t("cancel")}</button>`}
      ${!isUnfinished && html`<button type="button" class="plain" onClick=${() => store.reprocess(document)}>${t("document.reprocess")}</button>`}
      <label class="upload plain button">${t("document.replace")}
        <input type="file" class="off-screen" aria-label=${t("document.replace.label", { name })} onChange=${replace} /></label>
      <button type="button" class="plain danger" onClick=${remove}>${isCertain ? t("delete.confirm") : t("delete")}</button>
    </span>
  </li>`;
}
