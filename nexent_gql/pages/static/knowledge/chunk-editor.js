// A passage that can be changed: its text, its keywords, and whether searches find it.

import { UPDATE_CHUNK } from "../documents/knowledge.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { ask } from "../lib/graphql.js";
import { attempt, notify } from "../lib/notices.js";
import { t } from "../lib/texts.js";
import { html, useEffect, useReturnedFocus, useRef, useState } from "../lib/ui.js";
import { Chunk } from "./chunk.js";

const change = async (chunk, fields) => (await ask(UPDATE_CHUNK, { input: { chunkId: chunk.id, ...fields } })).chunk;

export function EditableChunk({ chunk, onChange, ...properties }) {
  const [isEditing, setEditing] = useState(false);
  const button = useReturnedFocus(isEditing);
  const toggle = () => attempt(async () => onChange(await change(chunk, { isEnabled: !chunk.isEnabled })));
  if (isEditing) return html`<${Editor} chunk=${chunk} onChange=${onChange} onClose=${() => setEditing(false)} />`;
  return html`<${Chunk} chunk=${chunk} ...${properties}>
    ${chunk.isEdited && html`<span>${t("chunk.edited")}</span>`}
    ${!chunk.isEnabled && html`<span class="error">${t("chunk.disabled")}</span>`}
    ${chunk.keywords.length > 0 && html`<bdi>${t("chunk.keywords")}: ${chunk.keywords.join(", ")}</bdi>`}
    <span class="actions">
      <button type="button" class="plain" ref=${button} onClick=${() => setEditing(true)}>${t("edit")}</button>
      <button type="button" class="plain" onClick=${toggle}>${t(chunk.isEnabled ? "chunk.disable" : "chunk.enable")}</button>
    </span>
  <//>`;
}

function Editor({ chunk, onChange, onClose }) {
  const node = useRef(null);
  const save = async (values) => {
    const keywords = values.keywords.split("\n").map((line) => line.trim()).filter(Boolean);
    onChange(await change(chunk, { text: values.text, keywords }));
    notify(t("saved"));
    onClose();
  };
  useEffect(() => node.current.querySelector("textarea").focus(), []);
  return html`<div class="chunk" ref=${node} onKeyDown=${(event) => event.key === "Escape" && onClose()}>
    <${Form} onSubmit=${save} submit=${t("save")}>${(error) => html`
      <${Field} as="textarea" name="text" label=${t("chunk.text")} error=${error} rows="8" maxlength="50000" required dir="auto"
        value=${chunk.text} hint=${t("chunk.text.hint")} />
      <${Field} as="textarea" name="keywords" label=${t("chunk.keywords")} error=${error} rows="2" dir="auto"
        value=${chunk.keywords.join("\n")} hint=${t("chunk.keywords.hint")} />
      <div class="actions"><button type="button" onClick=${onClose}>${t("cancel")}</button></div>`}<//>
  </div>`;
}
