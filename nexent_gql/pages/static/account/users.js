// Users of the tenant and their roles, for administrators.

import { ACTIVATE_USER, CREATE_USER, DEACTIVATE_USER, SET_USER_ROLE, USERS } from "../documents/account.js";
import { Dialog } from "../lib/dialog.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { ask } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { readAll } from "../lib/paging.js";
import { t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";

const ROLES = ["MEMBER", "DEVELOPER", "ADMIN", "OWNER"];

export function Users({ ownId }) {
  const [users, setUsers] = useState([]);
  const [isCreating, setCreating] = useState(false);
  const load = () => attempt(async () => setUsers(await readAll(USERS)));
  useEffect(() => void load(), []);
  const change = async (document, input) => {
    await attempt(() => ask(document, { input }));
    load();
  };
  const close = () => {
    setCreating(false);
    load();
  };
  return html`<section aria-labelledby="users-title"><h2 id="users-title">${t("users")}</h2>
    <ul class="documents">${users.map((user) => html`<li key=${user.id}><${User} user=${user} isSelf=${user.id === ownId} onChange=${change} /></li>`)}</ul>
    <button type="button" onClick=${() => setCreating(true)}>${t("user.create")}</button>
    ${isCreating && html`<${CreateUser} onClose=${close} />`}
  </section>`;
}

function User({ user, isSelf, onChange }) {
  const { id, displayName, email, role, deactivatedAt } = user;
  return html`
    <span class="name"><bdi>${displayName}</bdi> <span class="quiet"><bdi>${email}</bdi></span></span>
    <select aria-label=${t("user.role", { name: displayName })} value=${role} disabled=${isSelf}
        onChange=${(event) => onChange(SET_USER_ROLE, { id, role: event.target.value })}>
      ${ROLES.map((name) => html`<option value=${name} selected=${name === role}>${t(`role.${name}`)}</option>`)}</select>
    ${!isSelf && html`<button type="button" class="plain" onClick=${() => onChange(deactivatedAt ? ACTIVATE_USER : DEACTIVATE_USER, { id })}>
      ${t(deactivatedAt ? "user.activate" : "user.deactivate")}</button>`}`;
}

function CreateUser({ onClose }) {
  const create = async (input) => {
    await ask(CREATE_USER, { input });
    onClose();
  };
  return html`<${Dialog} title=${t("user.create")} onClose=${onClose}>
    <${Form} onSubmit=${create} submit=${t("create")}>${(error) => html`
      <${Field} name="displayName" label=${t("name")} error=${error} required />
      <${Field} name="email" label=${t("email")} error=${error} type="email" required />
      <${Field} name="password" label=${t("password.temporary")} error=${error} type="password" autocomplete="new-password" required />
      <${Field} as="select" name="role" label=${t("role")} error=${error}>${ROLES.map((name) => html`<option value=${name}>${t(`role.${name}`)}</option>`)}<//>`}<//>
  <//>`;
}
