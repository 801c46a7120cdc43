// One knowledge base: files are dropped, their processing is watched, a search is tried, and a summary is written.

import { DELETE_KNOWLEDGE_BASE, KNOWLEDGE_BASE } from "../documents/knowledge.js";
import { Dialog } from "../lib/dialog.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { ask } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { go, link } from "../lib/router.js";
import { t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { droppedFiles } from "../lib/drops.js";
import { Screen } from "../shell/screen.js";
import { DocumentList } from "./document-list.js";
import { DocumentStore } from "./documents.js";
import { EmbeddingPanel } from "./embedding.js";
import { EmbeddingStore } from "./embeddings.js";
import { watchBase } from "./events.js";
import { GraphPanel } from "./graph.js";
import { GraphStore } from "./graphs.js";
import { Preview } from "./preview.js";
import { SearchPanel } from "./search.js";
import { SummaryStore } from "./summaries.js";
import { SummaryPanel } from "./summary.js";

export function BaseScreen({ baseId }) {
  const [base, setBase] = useState(null);
  const [store] = useState(() => new DocumentStore(baseId));
  const [summaries] = useState(() => new SummaryStore(baseId));
  const [embedding] = useState(() => new EmbeddingStore(baseId));
  const [graph] = useState(() => new GraphStore(baseId));
  useEffect(() => {
    let isOver = false;
    let stopWatching = () => {};
    attempt(async () => {
      const answer = await ask(KNOWLEDGE_BASE, { id: baseId });
      if (answer) [summaries, graph].forEach((each) => each.show(answer));
      setBase(answer ?? { isMissing: true });
      if (!answer) return;
      await store.load();
      if (!isOver) stopWatching = watchBase(baseId, answer.eventsCursor, [store, summaries, graph]);
    });
    return () => {
      isOver = true;
      stopWatching();
      [summaries, embedding].forEach((each) => each.close());
    };
  }, []);
  if (!base) return html`<${Screen} title=${t("loading")} />`;
  if (base.isMissing) return html`<${Screen} title=${t("knowledge")}><p class="empty">${t("base.missing")}</p><//>`;
  const hasContent = store.totalCount.value > 0 || summaries.latest.value !== null;
  const drop = async (event) => {
    event.preventDefault();
    store.add(await droppedFiles(event.dataTransfer));
  };
  return html`<${Screen} title=${base.name} actions=${html`<${Actions} base=${base} store=${store} />`}
      onDragOver=${(event) => event.preventDefault()} onDrop=${drop}>
    <p dir="auto">${base.description}</p>
    ${hasContent && html`<${SummaryPanel} store=${summaries} canWrite=${base.canWrite} />`}
    ${hasContent && html`<${SearchPanel} baseId=${baseId} hasGraph=${graph.status.value !== null} />`}
    ${hasContent && html`<${GraphPanel} store=${graph} canWrite=${base.canWrite} />`}
    <${DocumentList} store=${store} />
    ${hasContent && html`<p class="quiet">${t("base.ask")} <a href=${link("agents", "new", baseId)}>${t("base.ask.agent")}</a></p>`}
    ${hasContent && base.isOwned && html`<${EmbeddingPanel} store=${embedding} />`}
    <${Preview} baseId=${baseId} chunking=${base.chunking} />
  <//>`;
}

function AddUrl({ store, onClose }) {
  const add = async ({ url }) => {
    await store.addUrl(url);
    onClose();
  };
  return html`<${Dialog} title=${t("base.add-url")} onClose=${onClose}>
    <${Form} onSubmit=${add} submit=${t("base.add")}>${(error) => html`
      <${Field} name="url" label=${t("url")} error=${error} type="url" required />`}<//>
  <//>`;
}

function Actions({ base, store }) {
  const [isCertain, setCertain] = useState(false);
  const [isAddingUrl, setAddingUrl] = useState(false);
  const choose = (event) => {
    store.add([...event.target.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
    event.target.value = "";
  };
  const remove = () => attempt(async () => {
    if (!isCertain) return setCertain(true);
    await ask(DELETE_KNOWLEDGE_BASE, { input: { knowledgeBaseId: base.id } });
    go("knowledge");
  });
  return html`<div class="actions">
    <label class="button upload">${t("base.add-files")}<input type="file" multiple class="off-screen" onChange=${choose} /></label>
    <label class="button upload">${t("base.add-folder")}<input type="file" webkitdirectory class="off-screen" onChange=${choose} /></label>
    <button type="button" onClick=${() => setAddingUrl(true)}>${t("base.add-url")}</button>
    ${isAddingUrl && html`<${AddUrl} store=${store} onClose=${() => setAddingUrl(false)} />`}
    ${base.isOwned && html`<button type="button" class="danger" onClick=${remove}>${isCertain ? t("delete.confirm") : t("delete")}</button>`}
  </div>`;
}
