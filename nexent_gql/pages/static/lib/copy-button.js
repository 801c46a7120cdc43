// A button that copies a text, and says so for a moment. `label` is its name where "Copy" alone would not say what.

import { copy } from "./clipboard.js";
import { notify } from "./notices.js";
import { t } from "./texts.js";
import { html, useState } from "./ui.js";

const SHOWN_MS = 2_000;

export function CopyButton({ text, label = null }) {
  const [isCopied, setCopied] = useState(false);
  const run = async () => {
    await copy(typeof text === "function" ? text() : text);
    setCopied(true);
    notify(t("copied"));
    setTimeout(() => setCopied(false), SHOWN_MS);
  };
  return html`<button type="button" class="plain" aria-label=${label} onClick=${run}>${t(isCopied ? "copied" : "copy")}</button>`;
}
