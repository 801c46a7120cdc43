// Models: the list with checks and prices, and usage.

import { CHECK_MODEL, DELETE_MODEL, MODELS, SET_DEFAULT_MODEL } from "../documents/models.js";
import { ask } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { readAll } from "../lib/paging.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { Screen } from "../shell/screen.js";
import { ModelDialog } from "./dialog.js";
import { Usage } from "./usage.js";

export function ModelsScreen() {
  const [models, setModels] = useState(null);
  const [edited, edit] = useState(null);
  const load = () => attempt(async () => setModels(await readAll(MODELS)));
  useEffect(() => void load(), []);
  const close = () => {
    edit(null);
    load();
  };
  return html`<${Screen} title=${t("models")} actions=${html`<button type="button" onClick=${() => edit({})}>${t("model.register")}</button>`}>
    ${models?.length === 0 && html`<p class="empty">${t("models.none")}</p>`}
    <ul class="cards">${models?.map((model) => html`<li key=${model.id} class="card"><${Model} model=${model} onEdit=${() => edit(model)} onChange=${load} /></li>`)}</ul>
    <${Usage} />
    ${edited && html`<${ModelDialog} model=${edited} onClose=${close} />`}
  <//>`;
}

function Model({ model, onEdit, onChange }) {
  const [isBusy, setBusy] = useState(false);
  const [isCertain, setCertain] = useState(false);
  const run = (document, fields = {}) => async () => {
    if (isBusy) return;
    setBusy(true);
    await attempt(() => ask(document, { input: { id: model.id, ...fields } }));
    setBusy(false);
    onChange();
  };
  const { name, provider, providerModel, price, lastCheck, isDefault, kind } = model;
  return html`
    <h2><bdi>${name}</bdi>${isDefault && html` <span class="quiet">${t("model.is-default")}</span>`}</h2>
    <span class="quiet"><bdi>${providerModel}</bdi> · ${provider} · ${t(`model.kind.${kind}`)}</span>
    ${price && html`<span class="quiet">${t("model.price", { input: price.inputUsd, output: price.outputUsd })}</span>`}
    <${Check} check=${lastCheck} />
    <div class="actions">
      <button type="button" aria-disabled=${isBusy ? "true" : null} onClick=${run(CHECK_MODEL, { withProfile: true })}>${t(isBusy ? "working" : "model.check")}</button>
      ${kind === "CHAT" && !isDefault && html`<button type="button" class="plain" onClick=${run(SET_DEFAULT_MODEL)}>${t("model.make-default")}</button>`}
      <button type="button" class="plain" onClick=${onEdit}>${t("edit")}</button>
      <button type="button" class="plain danger" onClick=${isCertain ? run(DELETE_MODEL) : () => setCertain(true)}>${isCertain ? t("delete.confirm") : t("delete")}</button>
    </div>`;
}

function Check({ check }) {
  if (!check) return null;
  if (check.ok) return html`<span role="status">${t("model.check.ok", { ms: formatNumber(check.latencyMs) })}</span>`;
  return html`<div class="error" role="status" dir="auto">${check.advice ?? check.code}
    ${check.providerMessage && html`<details><summary>${t("model.check.details")}</summary>${check.providerMessage}</details>`}</div>`;
}
