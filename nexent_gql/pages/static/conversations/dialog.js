// The dialog that renames, pins, archives, exports and deletes a conversation.

import { current } from "../chat/conversation.js";
import { Dialog } from "../lib/dialog.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { attempt, notify } from "../lib/notices.js";
import { go } from "../lib/router.js";
import { t } from "../lib/texts.js";
import { html } from "../lib/ui.js";
import * as list from "./list.js";

export function ConversationDialog({ item, onClose }) {
  const { id, title, pinnedAt, archivedAt } = item;
  const rename = async (values) => {
    await list.renameConversation(id, values.title.trim());
    onClose();
  };
  const change = (fields) => async () => {
    await attempt(() => list.updateConversation(id, fields));
    onClose();
  };
  return html`<${Dialog} title=${t("conversation")} onClose=${onClose}>
    <${Form} onSubmit=${rename} submit=${t("save")}>${(error) => html`
      <${Field} name="title" label=${t("title")} error=${error} value=${title} maxlength="200" required dir="auto" />`}<//>
    <div class="actions">
      ${!archivedAt && html`<button type="button" onClick=${change({ isPinned: !pinnedAt })}>${t(pinnedAt ? "unpin" : "pin")}</button>`}
      <button type="button" onClick=${change({ isArchived: !archivedAt })}>${t(archivedAt ? "unarchive" : "archive")}</button>
      ${["MARKDOWN", "JSON"].map((format) => html`<button type="button" onClick=${() => attempt(() => list.exportConversation(id, format))}>${t(`export.${format}`)}</button>`)}
      <button type="button" class="danger" onClick=${() => remove(id, onClose)}>${t("delete")}</button>
    </div>
  <//>`;
}

async function remove(id, onClose) {
  await attempt(async () => {
    const isRestorable = await list.deleteConversation(id);
    const restore = () => attempt(() => list.restoreConversation(id));
    notify(t("conversation.deleted"), { action: isRestorable ? { label: t("undo"), run: restore } : null });
    if (current.value?.id === id) go();
  });
  onClose();
}
