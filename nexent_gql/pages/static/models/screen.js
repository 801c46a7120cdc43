// Models: the list with checks and prices, the form that registers one, and usage.

import { CHECK_MODEL, DELETE_MODEL, MODEL_PROVIDERS, MODELS, REGISTER_MODEL, SET_DEFAULT_MODEL, UPDATE_MODEL } from "../documents/models.js";
import { Dialog } from "../lib/dialog.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { ask } from "../lib/graphql.js";
import { attempt, notify } from "../lib/notices.js";
import { readAll } from "../lib/paging.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { Screen } from "../shell/screen.js";
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
      <button type="button" disabled=${isBusy} onClick=${run(CHECK_MODEL, { withProfile: true })}>${t(isBusy ? "working" : "model.check")}</button>
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

function ModelDialog({ model, onClose }) {
  const isNew = !model.id;
  const [providers, setProviders] = useState([]);
  const [providerName, setProviderName] = useState(model.provider ?? "");
  useEffect(() => void attempt(async () => setProviders(await ask(MODEL_PROVIDERS))), []);
  const provider = providers.find(({ name }) => name === providerName);
  const save = async ({ name, providerModel, baseUrl, apiKey, kind }) => {
    const input = { name, providerModel };
    if (apiKey) input.apiKey = apiKey;
    if (baseUrl || model.baseUrl) input.baseUrl = baseUrl || null;
    if (isNew) await ask(REGISTER_MODEL, { input: { ...input, provider: providerName || null, kind } });
    else await ask(UPDATE_MODEL, { input: { ...input, id: model.id } });
    notify(t("saved"));
    onClose();
  };
  return html`<${Dialog} title=${isNew ? t("model.register") : model.name} onClose=${onClose}>
    <${Form} onSubmit=${save} submit=${t("save")}>${(error) => html`
      ${isNew && html`<${Field} as="select" name="provider" label=${t("provider")} error=${error} required
          onChange=${(event) => setProviderName(event.target.value)}>
        <option value="">${t("choose")}</option>
        ${providers.map((each) => html`<option value=${each.name}>${each.title}</option>`)}<//>
      <${Field} as="select" name="kind" label=${t("model.kind")} error=${error}>
        ${(provider?.kinds ?? ["CHAT"]).map((kind) => html`<option value=${kind}>${t(`model.kind.${kind}`)}</option>`)}<//>`}
      <${Field} name="providerModel" label=${t("model.provider-model")} error=${error} value=${model.providerModel} required hint=${t("model.provider-model.hint")} />
      <${Field} name="name" label=${t("name")} error=${error} value=${model.name} required maxlength="100" />
      <${Field} name="baseUrl" label=${t("model.base-url")} error=${error} type="url" value=${model.baseUrl} placeholder=${provider?.baseUrl} />
      <${Field} name="apiKey" label=${t("model.api-key")} error=${error} type="password" autocomplete="off" placeholder=${model.apiKeyHint}
        hint=${provider && !provider.needsApiKey ? t("model.api-key.optional") : null} />`}<//>
  <//>`;
}
