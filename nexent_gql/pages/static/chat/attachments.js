// Files that go with the next message: chosen, pasted or dropped, and uploaded at once.

import { Icon } from "../lib/icons.js";
import { attempt } from "../lib/notices.js";
import { formatSize, t } from "../lib/texts.js";
import { computed, html, signal } from "../lib/ui.js";

export const MODES = ["AUTO", "FULL", "RETRIEVE"];
const MAX_FILES = 20;

// {name, size, isImage, progress, file, error, mode, abort}; the values that change are signals.
export const attachments = signal([]);
export const isUploading = computed(() => attachments.value.some(({ file, error }) => !file.value && !error.value));

export function attach(files) {
  const added = [...files].slice(0, MAX_FILES - attachments.peek().length).map((file) => ({
    name: file.name,
    size: file.size,
    isImage: file.type.startsWith("image/"),
    progress: signal(0),
    file: signal(null),
    error: signal(null),
    mode: signal("AUTO"),
    abort: new AbortController(),
    source: file,
  }));
  attachments.value = [...attachments.peek(), ...added];
  added.forEach(upload);
}

async function upload(item) {
  item.error.value = null;
  try {
    const { uploadFile } = await import("../lib/uploads.js");
    const onProgress = (progress) => (item.progress.value = progress);
    item.file.value = await uploadFile(item.source, { onProgress, signal: item.abort.signal });
  } catch (error) {
    item.error.value = error;
  }
}

function remove(item) {
  item.abort.abort();
  attachments.value = attachments.value.filter((each) => each !== item);
}

// Returns the input of a message, and leaves the list as it is until `clearAttachments`.
export const attachmentInputs = () =>
  attachments.peek().filter(({ file }) => file.peek()).map(({ file, mode }) => ({ fileId: file.peek().id, mode: mode.peek() }));

// Removes those that were sent, and leaves the ones that were added meanwhile.
export const clearAttachments = (sent) => (attachments.value = attachments.peek().filter((each) => !sent.includes(each)));

export function AttachButton() {
  const choose = (event) => {
    attach(event.target.files);
    event.target.value = "";
  };
  return html`<label class="attach button" title=${t("attach")}>
    <input type="file" multiple class="off-screen" aria-label=${t("attach")} onChange=${choose} /><${Icon} name="attach" />
  </label>`;
}

export function AttachmentList() {
  if (!attachments.value.length) return null;
  return html`<ul class="attachments pending" aria-label=${t("attachments")}>
    ${attachments.value.map((item) => html`<${Pending} key=${item.name} item=${item} />`)}
  </ul>`;
}

function Pending({ item }) {
  const { name, size, isImage, progress, file, error, mode } = item;
  return html`<li class="file">
    <bdi>${name}</bdi> <span class="quiet">${formatSize(size)}</span>
    ${error.value && html`<span class="error" role="alert">${error.value.message}</span>
      <button type="button" class="plain" onClick=${() => attempt(() => upload(item))}>${t("retry")}</button>`}
    ${!file.value && !error.value && html`<progress max="1" value=${progress.value} aria-label=${t("upload.progress", { name })}></progress>`}
    ${file.value && !isImage && html`<select aria-label=${t("attach.mode", { name })} value=${mode.value}
        onChange=${(event) => (mode.value = event.target.value)}>
      ${MODES.map((each) => html`<option value=${each}>${t(`attach.mode.${each}`)}</option>`)}</select>`}
    <button type="button" class="plain icon" aria-label=${t("attach.remove", { name })} onClick=${() => remove(item)}><${Icon} name="close" /></button>
  </li>`;
}
