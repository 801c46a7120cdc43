// How a text or a document would be cut into passages, before anything is stored, and the choice for a whole base.

import { PREVIEW_CHUNKS, UPDATE_KNOWLEDGE_BASE } from "../documents/knowledge.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { ask } from "../lib/graphql.js";
import { attempt, notify } from "../lib/notices.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useState } from "../lib/ui.js";
import { uploadFile } from "../lib/uploads.js";
import { Chunk } from "./chunk.js";

const STRATEGIES = ["STRUCTURE", "FIXED", "PARENT_CHILD", "ROW", "NONE"];
const DEFAULTS = { strategy: "STRUCTURE", maxWords: 400, overlapWords: 20, childWords: 60 };

function chunkingOf({ strategy, maxWords, overlapWords, childWords }) {
  const chunking = { strategy, maxWords: Number(maxWords) };
  if (strategy === "FIXED") chunking.overlapWords = Number(overlapWords);
  if (strategy === "PARENT_CHILD") chunking.childWords = Number(childWords);
  return chunking;
}

async function sourceOf({ file, text }, document) {
  if (document) return { documentId: document.id };
  if (file?.size) return { file: { fileId: (await uploadFile(file)).id } };
  return { text: { name: t("preview.text"), content: text } };
}

// `document` is cut if there is one, else a file or a text that the user gives. `chunking` is that of the base.
export function Preview({ baseId, document = null, chunking = DEFAULTS }) {
  const [strategy, setStrategy] = useState(chunking.strategy);
  const [result, setResult] = useState(null); // {totalCount, chunks, chunking}
  const cut = async (values) => {
    const input = { source: await sourceOf(values, document), chunking: chunkingOf(values), first: 50 };
    setResult({ ...(await ask(PREVIEW_CHUNKS, { input })), chunking: input.chunking });
  };
  const use = () => attempt(async () => {
    await ask(UPDATE_KNOWLEDGE_BASE, { input: { knowledgeBaseId: baseId, chunking: result.chunking } });
    notify(t("preview.used"));
  });
  return html`<details class="preview"><summary>${t("preview")}</summary>
    <${Form} onSubmit=${cut} submit=${t("preview.cut")}>${(error) => html`
      ${!document && html`<${Source} error=${error} />`}
      <${Field} as="select" name="strategy" label=${t("preview.strategy")} error=${error} onChange=${(event) => setStrategy(event.target.value)}>
        ${STRATEGIES.map((name) => html`<option value=${name} selected=${name === strategy}>${t(`preview.strategy.${name}`)}</option>`)}<//>
      <${Field} name="maxWords" label=${t("preview.max-words")} error=${error} type="number" min="20" max="2000" required value=${chunking.maxWords} />
      ${strategy === "FIXED" && html`<${Field} name="overlapWords" label=${t("preview.overlap-words")} error=${error} type="number" min="0" max="500" required value=${chunking.overlapWords} />`}
      ${strategy === "PARENT_CHILD" && html`<${Field} name="childWords" label=${t("preview.child-words")} error=${error} type="number" min="10" max="500" required value=${chunking.childWords} />`}`}<//>
    ${result && html`<div class="hits">
      <p class="quiet" role="status">${t("chunks.count", { count: formatNumber(result.totalCount) })}</p>
      <button type="button" onClick=${use}>${t("preview.use")}</button>
      ${result.chunks.map((chunk, index) => html`<${Chunk} key=${index} chunk=${chunk}>
        ${chunk.parentText !== null && html`<details><summary>${t("preview.parent")}</summary><p dir="auto">${chunk.parentText}</p></details>`}<//>`)}
    </div>`}
  </details>`;
}

function Source({ error }) {
  return html`
    <${Field} name="file" type="file" label=${t("preview.file")} error=${error} />
    <${Field} as="textarea" name="text" label=${t("preview.text")} error=${error} rows="4" dir="auto" hint=${t("preview.text.hint")} />`;
}
