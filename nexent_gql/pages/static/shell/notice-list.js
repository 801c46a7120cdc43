// Notices at the edge of the page.

import { dismiss, notices } from "../lib/notices.js";
import { t } from "../lib/texts.js";
import { Icon } from "../lib/icons.js";
import { html } from "../lib/ui.js";

export function NoticeList() {
  return html`<div class="notices" role="region" aria-label=${t("notices")} aria-live="polite">
    ${notices.value.map(({ id, text, isError, action }) => html`<div key=${id} class=${isError ? "notice error" : "notice"} role=${isError ? "alert" : "status"}>
      <span dir="auto">${text}</span>
      ${action && html`<button type="button" onClick=${() => (dismiss(id), action.run())}>${action.label}</button>`}
      <button type="button" class="plain icon" aria-label=${t("close")} onClick=${() => dismiss(id)}><${Icon} name="close" /></button>
    </div>`)}
  </div>`;
}
