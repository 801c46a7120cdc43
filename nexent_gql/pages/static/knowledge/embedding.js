// How a knowledge base compares documents by meaning: the model, and a change of it with its price, progress and way back.

import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { link } from "../lib/router.js";
import { formatDuration, formatNumber, formatTime, t } from "../lib/texts.js";
import { html } from "../lib/ui.js";

export function EmbeddingPanel({ store }) {
  const onToggle = (event) => (event.currentTarget.open ? store.open() : store.close());
  const base = store.base.value;
  const change = store.change.value;
  const isRevertible = change?.state === "SWITCHED" && Date.parse(change.revertibleUntil) > Date.now();
  return html`<details class="preview embedding" onToggle=${onToggle}><summary>${t("embedding")}</summary>
    ${base && html`
      <p>${t("embedding.now", { model: nameOf(store, base.embeddingMode, base.embeddingModel) })}</p>
      ${base.searchLimitation && html`<p class="stale" role="status" dir="auto">${base.searchLimitation.message}</p>`}
      ${store.isChanging.value && html`<${Progress} store=${store} change=${change} />`}
      ${change?.problem && html`<p class="error" role="alert" dir="auto">${change.problem.message}</p>`}
      ${isRevertible && html`<${Revert} store=${store} change=${change} />`}
      ${!store.isChanging.value && html`<${ChangeForm} store=${store} base=${base} />`}`}
  </details>`;
}

function nameOf(store, mode, model) {
  if (mode === "NONE") return t("embedding.NONE");
  if (mode === "MODEL") return model?.name ?? t("embedding.deleted");
  const name = store.models.value.find(({ isDefault }) => isDefault)?.name;
  return name ? t("model.default", { model: name }) : t("embedding.no-default");
}

function Progress({ store, change }) {
  const { state, documentCount, embeddedDocumentCount, embeddingMode, embeddingModel, previousEmbeddingMode, previousEmbeddingModel } = change;
  const isReverting = state === "REVERTING";
  const model = isReverting ? nameOf(store, previousEmbeddingMode, previousEmbeddingModel) : nameOf(store, embeddingMode, embeddingModel);
  const facts = { model, done: formatNumber(embeddedDocumentCount), count: formatNumber(documentCount) };
  return html`<div class="progress">
    <span role="status">${t("embedding.progress", facts)}</span>
    <progress max=${Math.max(1, documentCount)} value=${embeddedDocumentCount} aria-label=${t("embedding.progress.label")}></progress>
    ${!isReverting && html`<button type="button" class="plain" onClick=${store.cancel}>${t("cancel")}</button>`}
  </div>
  <p class="quiet">${t("embedding.meanwhile")}</p>`;
}

function Revert({ store, change }) {
  const model = nameOf(store, change.previousEmbeddingMode, change.previousEmbeddingModel);
  return html`<div class="progress">
    <span role="status">${t("embedding.switched", { model, time: formatTime(change.revertibleUntil) })}</span>
    <button type="button" onClick=${store.revert}>${t("embedding.revert")}</button>
  </div>`;
}

// The targets are values of the select: "mode:NONE" or "model:ID".
function targetOf(value) {
  const [kind, name] = [value.slice(0, value.indexOf(":")), value.slice(value.indexOf(":") + 1)];
  if (!name) return null;
  return kind === "mode" ? { mode: name } : { embeddingModelId: name };
}

function ChangeForm({ store, base }) {
  const { embeddingMode, embeddingModel } = base;
  const models = store.models.value.filter(({ id }) => embeddingMode !== "MODEL" || id !== embeddingModel?.id);
  const modes = ["TENANT_DEFAULT", "NONE"].filter((mode) => mode !== embeddingMode);
  return html`<${Form} onSubmit=${() => store.start()} submit=${t("embedding.change")}>${(error) => html`
    <${Field} as="select" name="target" label=${t("embedding.target")} error=${error} required onChange=${(event) => store.choose(targetOf(event.target.value))}>
      <option value="">${t("choose")}</option>
      ${models.map(({ id, name }) => html`<option key=${id} value=${`model:${id}`}>${name}</option>`)}
      ${modes.map((mode) => html`<option key=${mode} value=${`mode:${mode}`}>${nameOf(store, mode, null)}</option>`)}<//>
    ${!store.models.value.length && html`<p class="quiet">${t("embedding.no-models")} <a href=${link("models")}>${t("models")}</a></p>`}
    <div role="status">${store.estimate.value && html`<${Estimate} estimate=${store.estimate.value} />`}</div>`}<//>`;
}

function Estimate({ estimate }) {
  const { documentCount, chunkCount, tokenCount, costUsd, durationSeconds } = estimate;
  if (!chunkCount) return html`<p class="quiet">${t("embedding.estimate.none")}</p>`;
  const facts = [
    t("documents.count", { count: formatNumber(documentCount) }),
    t("chunks.count", { count: formatNumber(chunkCount) }),
    t("embedding.tokens", { count: formatNumber(tokenCount) }),
    costUsd === null ? t("cost.unknown") : `$${costUsd}`,
    durationSeconds === null ? t("duration.unknown") : formatDuration(durationSeconds),
  ];
  return html`<p>${t("embedding.estimate", { facts: facts.join(" · ") })}</p>`;
}
