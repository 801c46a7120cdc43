// A modal dialog; Escape and a click beside it close it, and the focus returns to where it was.

import { Icon } from "./icons.js";
import { html, useEffect, useRef } from "./ui.js";
import { t } from "./texts.js";

export function Dialog({ title, onClose, children, canClose = true }) {
  const node = useRef(null);
  useEffect(() => {
    const dialog = node.current;
    const origin = document.activeElement;
    dialog.showModal();
    const hasKeyboard = !matchMedia("(pointer: coarse)").matches; // one on the screen would hide half of it
    if (hasKeyboard) dialog.querySelector("form :is(input, select, textarea)")?.focus();
    return () => {
      dialog.close();
      if (origin.isConnected) origin.focus(); // an element that is removed gives no focus back
    };
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
