// The dialog that asks for an account. The server's validation messages appear next to the fields.

import { Dialog } from "../lib/dialog.js";
import { Field } from "../lib/field.js";
import { signIn, signUp } from "../lib/session.js";
import { t } from "../lib/texts.js";
import { html, useState } from "../lib/ui.js";

export function SignIn() {
  const [isNew, setNew] = useState(false);
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);

  const submit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    const input = Object.fromEntries(new FormData(event.target));
    setBusy(true);
    try {
      await (isNew ? signUp(input) : signIn(input));
      location.reload();
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  const field = (name, attributes) => html`<${Field} name=${name} error=${error} ...${attributes} />`;
  return html`<${Dialog} title=${t(isNew ? "sign-up" : "sign-in")} canClose=${false} onClose=${() => {}}>
    <form id="credentials" onSubmit=${submit}>
      ${error && !error.path?.length && html`<p class="error" role="alert">${error.message}</p>`}
      ${field("email", { label: t("email"), type: "email", autocomplete: "username" })}
      ${field("password", { label: t("password"), type: "password", autocomplete: isNew ? "new-password" : "current-password" })}
      ${isNew && field("displayName", { label: t("display-name"), autocomplete: "name" })}
      ${isNew && field("tenantName", { label: t("tenant-name"), autocomplete: "organization" })}
      <button type="submit" aria-disabled=${isBusy ? "true" : null}>${t(isNew ? "sign-up" : "sign-in")}</button>
      <button type="button" class="plain" onClick=${() => setNew(!isNew)}>${t(isNew ? "sign-in.instead" : "sign-up.instead")}</button>
    </form>
  <//>`;
}
