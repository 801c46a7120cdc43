// What a knowledge base is about: a model writes it, and it says from how much of the base.

import { MODEL_CHOICES } from "../documents/models.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { Markdown } from "../lib/markdown-view.js";
import { attempt } from "../lib/notices.js";
import { readAll } from "../lib/paging.js";
import { formatNumber, formatTime, t } from "../lib/texts.js";
import { html, useRef, useState } from "../lib/ui.js";

export function SummaryPanel({ store, canWrite }) {
  const latest = store.latest.value;
  const shown = store.shown.value;
  const isWriting = store.isWriting.value;
  const hasFailed = latest?.state === "FAILED";
  return html`<section class="summary" aria-labelledby="summary-title">
    <h2 id="summary-title">${t("summary")}</h2>
    ${isWriting && html`<${Progress} summary=${latest} onCancel=${canWrite && store.cancel} />`}
    ${hasFailed && latest.problem && html`<p class="error" role="alert" dir="auto">${latest.problem.message}</p>`}
    ${!shown && !isWriting && !hasFailed && html`<p class="quiet">${t("summary.none")}</p>`}
    ${shown && html`<${Summary} summary=${shown} store=${store} />`}
    ${canWrite && !isWriting && html`<${WriteForm} store=${store} submit=${t(shown ? "summary.again" : "summary.write")} />`}
  </section>`;
}

function Progress({ summary, onCancel }) {
  const { state, stage, progress } = summary;
  return html`<div class="progress">
    <span role="status">${state === "QUEUED" ? t("state.QUEUED") : t(`summary.stage.${stage}`)}</span>
    <progress max="1" value=${progress} aria-label=${t("summary.progress")}></progress>
    ${onCancel && html`<button type="button" class="plain" onClick=${onCancel}>${t("cancel")}</button>`}
  </div>`;
}

function Summary({ summary, store }) {
  const { state, text, isStale, finishedAt } = summary;
  if (text === null) return html`<p class="quiet">${t("summary.withheld")}</p>`;
  const counts = ["documentCount", "readDocumentCount", "chunkCount", "readChunkCount"];
  const facts = Object.fromEntries(counts.map((name) => [name, formatNumber(summary[name])]));
  return html`
    ${isStale && html`<p class="stale" role="status">${t("summary.stale")}</p>`}
    <div dir="auto" data-state=${state}><${Markdown} text=${store.text} isComplete=${store.isWhole} /></div>
    ${finishedAt && html`<p class="quiet">${t("summary.facts", facts)} · ${formatTime(finishedAt)}</p>`}`;
}

function WriteForm({ store, submit }) {
  const [models, setModels] = useState(null);
  const write = async (values) => {
    try {
      await store.write(values);
    } catch (error) {
      if (error.path?.length > 1) options.current.open = true; // its message is inside
      throw error;
    }
  };
  const loadModels = () => models ?? attempt(async () => setModels(await readAll(MODEL_CHOICES)));
  const options = useRef(null);
  const defaultModel = models?.find(({ isDefault }) => isDefault);
  return html`<${Form} onSubmit=${write} submit=${submit}>${(error) => html`
    <details class="preview" ref=${options} onToggle=${loadModels}><summary>${t("summary.options")}</summary>
      <${Field} as="select" name="modelId" label=${t("model")} error=${error}>
        <option value="">${t("model.default", { model: defaultModel?.name ?? "–" })}</option>
        ${models?.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}<//>
      <${Field} name="language" label=${t("language")} error=${error} maxlength="40" dir="auto" hint=${t("summary.language.hint")} />
    </details>`}<//>`;
}
