// The user's own account: profile, password and API keys.

import { API_KEYS, CHANGE_PASSWORD, CREATE_API_KEY, REVOKE_API_KEY, UPDATE_PROFILE, VIEWER } from "../documents/account.js";
import { copy } from "../lib/clipboard.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { ask } from "../lib/graphql.js";
import { attempt, notify } from "../lib/notices.js";
import { readAll } from "../lib/paging.js";
import { formatTime, t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { Screen } from "../shell/screen.js";
import { Users } from "./users.js";

const ADMINISTRATORS = new Set(["ADMIN", "OWNER"]);

export function AccountScreen() {
  const [viewer, setViewer] = useState(null);
  useEffect(() => void attempt(async () => setViewer(await ask(VIEWER))), []);
  if (!viewer) return html`<${Screen} title=${t("loading")} />`;
  return html`<${Screen} title=${t("account")}>
    <p class="quiet"><bdi>${viewer.user.email}</bdi> · <bdi>${viewer.tenant.name}</bdi> · ${t(`role.${viewer.role}`)}</p>
    <${Profile} user=${viewer.user} />
    <${Password} />
    <${ApiKeys} />
    ${ADMINISTRATORS.has(viewer.role) && html`<${Users} ownId=${viewer.user.id} />`}
  <//>`;
}

function Profile({ user }) {
  const save = async (input) => {
    await ask(UPDATE_PROFILE, { input: { ...input, timeZone: input.timeZone || null } });
    notify(t("saved"));
  };
  return html`<section aria-labelledby="profile-title"><h2 id="profile-title">${t("profile")}</h2>
    <${Form} onSubmit=${save} submit=${t("save")}>${(error) => html`
      <${Field} name="displayName" label=${t("display-name")} error=${error} value=${user.displayName} required autocomplete="name" />
      <${Field} name="timeZone" label=${t("time-zone")} error=${error} value=${user.timeZone} placeholder="UTC" hint=${t("time-zone.hint")} />`}<//>
  </section>`;
}

function Password() {
  const save = async (input, form) => {
    await ask(CHANGE_PASSWORD, { input });
    form.reset();
    notify(t("saved"));
  };
  return html`<details><summary>${t("password.change")}</summary>
    <${Form} onSubmit=${save} submit=${t("save")}>${(error) => html`
      <${Field} name="currentPassword" label=${t("password.current")} error=${error} type="password" autocomplete="current-password" required />
      <${Field} name="newPassword" label=${t("password.new")} error=${error} type="password" autocomplete="new-password" required />`}<//>
  </details>`;
}

function ApiKeys() {
  const [keys, setKeys] = useState([]);
  const [secret, setSecret] = useState(null);
  const load = () => attempt(async () => setKeys((await readAll(API_KEYS)).filter(({ revokedAt }) => !revokedAt)));
  useEffect(() => void load(), []);
  const create = async ({ name, scopes }, form) => {
    const created = await ask(CREATE_API_KEY, { input: { name, scopes: scopes.split(" ") } });
    setSecret(created.secret);
    form.reset();
    load();
  };
  const revoke = async (id) => {
    await attempt(() => ask(REVOKE_API_KEY, { input: { id } }));
    load();
  };
  return html`<section aria-labelledby="keys-title"><h2 id="keys-title">${t("api-keys")}</h2>
    <ul class="documents">${keys.map(({ id, name, prefix, scopes, lastUsedAt }) => html`<li key=${id}>
      <span class="name"><bdi>${name}</bdi> <code>${prefix}…</code></span>
      <span class="quiet">${scopes.join(", ")} · ${lastUsedAt ? t("api-key.used", { time: formatTime(lastUsedAt) }) : t("api-key.unused")}</span>
      <button type="button" class="plain danger" onClick=${() => revoke(id)}>${t("api-key.revoke")}</button></li>`)}</ul>
    ${secret && html`<p class="secret" role="status">${t("api-key.secret")} <code>${secret}</code>
      <button type="button" onClick=${() => copy(secret).then(() => notify(t("copied")))}>${t("copy")}</button></p>`}
    <${Form} onSubmit=${create} submit=${t("api-key.create")}>${(error) => html`
      <${Field} name="name" label=${t("api-key.name")} error=${error} required maxlength="80" />
      <${Field} as="select" name="scopes" label=${t("api-key.scopes")} error=${error}>
        <option value="READ WRITE">${t("api-key.read-write")}</option><option value="READ">${t("api-key.read")}</option><//>`}<//>
  </section>`;
}
