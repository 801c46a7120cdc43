// A modal dialog; Escape and a click beside it close it.

import { Icon } from "./icons.js";
import { html, useEffect, useRef } from "./ui.js";
import { t } from "./texts.js";

export function Dialog({ title, onClose, children, canClose = true }) {
  const node = useRef(null);
  useEffect(() => {
    if (!node.current.open) node.current.showModal();
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    if (canClose) onClose();
  };
  return html`<dialog ref=${node} aria-labelledby="dialog-title" onCancel=${cancel}
      onClick=${(event) => event.target === node.current && cancel(event)}>
    <div class="dialog">
      <header><h2 id="dialog-title">${title}</h2>
        ${canClose && html`<button type="button" class="plain icon" aria-label=${t("close")} onClick=${onClose}><${Icon} name="close" /></button>`}
      </header>
      ${children}
    </div>
  </dialog>`;
}
