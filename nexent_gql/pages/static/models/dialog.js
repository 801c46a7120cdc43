// The form that registers or changes a model. The provider can list its models, so that nobody has to know their names.

import { LIST_REMOTE_MODELS, MODEL_PROVIDERS, REGISTER_MODEL, UPDATE_MODEL } from "../documents/models.js";
import { Dialog } from "../lib/dialog.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { ask } from "../lib/graphql.js";
import { attempt, notify } from "../lib/notices.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useEffect, useId, useState } from "../lib/ui.js";

export function ModelDialog({ model, onClose }) {
  const isNew = !model.id;
  const [providers, setProviders] = useState([]);
  const [providerName, setProviderName] = useState(model.provider ?? "");
  const [remote, setRemote] = useState(null); // names of the provider's models
  const listId = useId();
  useEffect(() => void attempt(async () => setProviders(await ask(MODEL_PROVIDERS))), []);
  const provider = providers.find(({ name }) => name === providerName);
  const choose = (event) => {
    setProviderName(event.target.value);
    setRemote(null);
  };
  const save = async ({ name, providerModel, baseUrl, apiKey, kind }) => {
    const input = { name: name || providerModel, providerModel };
    if (apiKey) input.apiKey = apiKey;
    if (baseUrl || model.baseUrl) input.baseUrl = baseUrl || null;
    if (isNew) await ask(REGISTER_MODEL, { input: { ...input, provider: providerName || null, kind } });
    else await ask(UPDATE_MODEL, { input: { ...input, id: model.id } });
    notify(t("saved"));
    onClose();
  };
  return html`<${Dialog} title=${isNew ? t("model.register") : model.name} onClose=${onClose}>
    <${Form} onSubmit=${save} submit=${t("save")}>${(error) => html`
      ${isNew && html`<${Field} as="select" name="provider" label=${t("provider")} error=${error} required onChange=${choose}>
        <option value="">${t("choose")}</option>
        ${providers.map((each) => html`<option key=${each.name} value=${each.name}>${each.title}</option>`)}<//>
      <${Field} as="select" name="kind" label=${t("model.kind")} error=${error}>
        ${(provider?.kinds ?? ["CHAT"]).map((kind) => html`<option key=${kind} value=${kind}>${t(`model.kind.${kind}`)}</option>`)}<//>`}
      <${Field} name="apiKey" label=${t("model.api-key")} error=${error} type="password" autocomplete="off" placeholder=${model.apiKeyHint}
        hint=${provider && !provider.needsApiKey ? t("model.api-key.optional") : null} />
      <${Field} name="baseUrl" label=${t("model.base-url")} error=${error} type="url" value=${model.baseUrl} placeholder=${provider?.baseUrl} />
      <${Field} name="providerModel" label=${t("model.provider-model")} error=${error} value=${model.providerModel} required
        list=${listId} autocomplete="off" hint=${t("model.provider-model.hint")} />
      ${isNew && provider && html`<${RemoteModels} provider=${provider} names=${remote} listId=${listId} onList=${setRemote} />`}
      <${Field} name="name" label=${t("name")} error=${error} value=${model.name} maxlength="100" hint=${isNew ? t("model.name.hint") : null} />`}<//>
  <//>`;
}

function RemoteModels({ provider, names, listId, onList }) {
  const [isBusy, setBusy] = useState(false);
  const list = async (event) => {
    const { apiKey, baseUrl } = Object.fromEntries(new FormData(event.target.form));
    if (isBusy) return;
    setBusy(true);
    await attempt(async () => {
      const input = { provider: provider.name, apiKey: apiKey || null, baseUrl: baseUrl || null };
      onList((await ask(LIST_REMOTE_MODELS, { input })).models.map(({ providerModel }) => providerModel));
    });
    setBusy(false);
  };
  return html`<div class="remote">
    <button type="button" aria-disabled=${isBusy ? "true" : null} onClick=${list}>${t(isBusy ? "working" : "model.list")}</button>
    <span class="quiet" role="status">${names && t("model.listed", { count: formatNumber(names.length) })}</span>
    <datalist id=${listId}>${names?.map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>
  </div>`;
}
