// The field for a message. Enter sends, Shift+Enter begins a new line, Escape stops the answer.

import { current, running, sendMessage, stopRun } from "./conversation.js";
import { chosenAgentId } from "./agents.js";
import { AttachButton, AttachmentList, attach, attachmentInputs, attachments, clearAttachments, isUploading } from "./attachments.js";
import { loadMarkdown } from "../lib/markdown-view.js";
import { attempt } from "../lib/notices.js";
import { t } from "../lib/texts.js";
import { effect, html, signal, useEffect, useRef } from "../lib/ui.js";

const MAX_HEIGHT = 200;
const isNarrow = matchMedia("(max-width: 40rem)");
const draft = signal("");
effect(() => {
  if (draft.value) loadMarkdown().catch(() => null); // an answer will need it soon
});
const isSending = signal(false);

export function focusComposer() {
  document.getElementById("text")?.focus();
}

// Does not take the focus from another field, and on a touch screen opens no keyboard.
function offerFocus() {
  const isElsewhere = document.activeElement?.closest("input, select, textarea, dialog, .editor, .preferences");
  if (!isElsewhere && !matchMedia("(pointer: coarse)").matches) focusComposer();
}

// Puts a text into the field, for the user to send or change.
export function propose(text) {
  draft.value = text;
  focusComposer();
}

async function send() {
  const text = draft.peek();
  const hasNobodyToAsk = !current.peek() && !chosenAgentId.peek();
  if (!text.trim() || isSending.peek() || isUploading.peek() || hasNobodyToAsk) return;
  isSending.value = true;
  const files = attachments.peek();
  await attempt(async () => {
    await sendMessage({ text, agentId: chosenAgentId.peek(), attachments: attachmentInputs() });
    if (draft.peek().startsWith(text)) draft.value = draft.peek().slice(text.length).trimStart(); // more may be typed already
    clearAttachments(files);
  });
  isSending.value = false;
  offerFocus();
}

const stop = () => running.peek().forEach(stopRun);

function onKeyDown(event) {
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    send();
  } else if (event.key === "Escape") stop();
}

function onPaste(event) {
  const { files } = event.clipboardData;
  if (!files.length) return;
  event.preventDefault();
  attach(files);
}

function fitHeight(field) {
  if (!field) return; // an observer may report after the field has gone
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, MAX_HEIGHT)}px`;
}

export function Composer() {
  const field = useRef(null);
  const isRunning = running.value.length > 0;
  const hasNobodyToAsk = !current.value && !chosenAgentId.value;
  useEffect(() => fitHeight(field.current), [draft.value]);
  useEffect(() => {
    let width = 0;
    const observer = new ResizeObserver(([entry]) => {
      if (entry.contentRect.width === width) return;
      width = entry.contentRect.width;
      fitHeight(field.current);
    });
    observer.observe(field.current);
    return () => observer.disconnect();
  }, []);
  useEffect(offerFocus, [current.value?.id]);
  const submit = (event) => {
    event.preventDefault();
    send();
  };
  return html`<form id="composer" onSubmit=${submit}>
    <${AttachmentList} />
    <${AttachButton} />
    <textarea id="text" ref=${field} rows="1" maxlength="100000" dir="auto" placeholder=${t(isNarrow.matches ? "composer.hint.short" : "composer.hint")}
      aria-label=${t("message")} value=${draft.value} onInput=${(event) => (draft.value = event.target.value)}
      onKeyDown=${onKeyDown} onPaste=${onPaste}></textarea>
    ${isRunning && html`<button id="stop" type="button" onClick=${stop}>${t("stop")}</button>`}
    <button id="send" type="submit" disabled=${isSending.value || isUploading.value || !draft.value.trim() || hasNobodyToAsk}>
      ${t(isRunning ? "send.queued" : "send")}
    </button>
  </form>`;
}
