// The list of knowledge bases, and the form that creates one.

import { CREATE_KNOWLEDGE_BASE, KNOWLEDGE_BASES } from "../documents/knowledge.js";
import { Dialog } from "../lib/dialog.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { ask } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { readAll } from "../lib/paging.js";
import { go, link } from "../lib/router.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { Screen } from "../shell/screen.js";

export const ACCESS = ["PRIVATE", "TENANT_READ", "TENANT_WRITE"];

export function BasesScreen() {
  const [bases, setBases] = useState(null);
  const [isCreating, setCreating] = useState(false);
  useEffect(() => void attempt(async () => setBases(await readAll(KNOWLEDGE_BASES))), []);
  const actions = html`<button type="button" onClick=${() => setCreating(true)}>${t("base.create")}</button>`;
  return html`<${Screen} title=${t("knowledge")} actions=${actions}>
    ${bases?.length === 0 && html`<p class="empty">${t("bases.none")}</p>`}
    <ul class="cards">${bases?.map((base) => html`<li key=${base.id} class="card">
      <a href=${link("knowledge", base.id)}><bdi>${base.name}</bdi></a>
      <p dir="auto">${base.description}</p>
      <span class="quiet">${t("base.facts", { chunks: formatNumber(base.chunkCount), access: t(`access.${base.access}`) })}</span>
    </li>`)}</ul>
    ${isCreating && html`<${CreateBase} onClose=${() => setCreating(false)} />`}
  <//>`;
}

function CreateBase({ onClose }) {
  const create = async ({ name, description, access }) => {
    const { knowledgeBase } = await ask(CREATE_KNOWLEDGE_BASE, { input: { name, description, access } });
    go("knowledge", knowledgeBase.id);
  };
  return html`<${Dialog} title=${t("base.create")} onClose=${onClose}>
    <${Form} onSubmit=${create} submit=${t("create")}>${(error) => html`
      <${Field} name="name" label=${t("name")} error=${error} required maxlength="100" />
      <${Field} as="textarea" name="description" label=${t("description")} error=${error} rows="3" />
      <${Field} as="select" name="access" label=${t("access")} error=${error}>
        ${ACCESS.map((name) => html`<option value=${name}>${t(`access.${name}`)}</option>`)}<//>`}<//>
  <//>`;
}
