// One message: a question with its attachments, or an answer with its steps, notes and actions.

import { editMessage, rate, regenerate, retry, selectBranch } from "./conversation.js";
import { Citations, linkMarks } from "./citations.js";
import { Steps, StepsButton } from "./steps.js";
import { CopyButton } from "../lib/copy-button.js";
import { Markdown } from "../lib/markdown-view.js";
import { attempt } from "../lib/notices.js";
import { formatNumber, formatSize, t } from "../lib/texts.js";
import { Icon } from "../lib/icons.js";
import { html, useEffect, useReturnedFocus, useRef, useState } from "../lib/ui.js";

const NAMES = { USER: "message.user", ASSISTANT: "message.assistant" };

export function Message({ message }) {
  return html`<article class=${`message ${message.role}`} data-status=${message.status.value} data-id=${message.id}
      aria-label=${t(NAMES[message.role])} aria-busy=${message.isComplete.value ? null : "true"}>
    ${message.role === "USER" ? html`<${Question} message=${message} />` : html`<${Answer} message=${message} />`}
  </article>`;
}

function Question({ message }) {
  const [isEditing, setEditing] = useState(false);
  const button = useReturnedFocus(isEditing);
  if (isEditing) return html`<${Editor} message=${message} onClose=${() => setEditing(false)} />`;
  return html`
    <${Attachments} parts=${message.attachments.value} />
    <div class="bubble" dir="auto">${message.text.value}</div>
    <footer>
      <${Branches} message=${message} />
      <button type="button" class="plain" ref=${button} onClick=${() => setEditing(true)}>${t("edit")}</button>
      <${CopyButton} text=${() => message.text.peek()} />
    </footer>`;
}

function Editor({ message, onClose }) {
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);
  const submit = async (event) => {
    event.preventDefault();
    const text = new FormData(event.target).get("text");
    await attempt(async () => {
      await editMessage(message, text);
      onClose();
    });
  };
  return html`<form class="editor" onSubmit=${submit} onKeyDown=${(event) => event.key === "Escape" && onClose()}>
    <textarea name="text" rows="4" dir="auto" aria-label=${t("message.edit")} required ref=${field}
      >${message.text.peek()}</textarea>
    <div class="actions">
      <button type="button" onClick=${onClose}>${t("cancel")}</button>
      <button type="submit">${t("send")}</button>
    </div>
  </form>`;
}

function Attachments({ parts }) {
  if (!parts.length) return null;
  return html`<ul class="attachments">${parts.map((part) => html`<li key=${part.index}>
    ${part.__typename === "ImageMessagePart"
      ? html`<span class="file">${part.mediaType}</span>`
      : html`<a class="file" href=${part.file?.url} target="_blank" rel="noopener noreferrer">
          <bdi>${part.name}</bdi> <span class="quiet">${formatSize(part.sizeBytes)}</span></a>`}
  </li>`)}</ul>`;
}

function Answer({ message }) {
  const run = message.run.value;
  const isEmpty = message.isEmpty.value && !message.isComplete.value;
  return html`
    <${Steps} message=${message} />
    <${Markdown} text=${message.text} isComplete=${message.isComplete} onDone=${(node) => linkMarks(node, message.citations.peek())} />
    ${isEmpty && html`<p class="waiting"><span class="busy"></span> ${t(run?.status === "QUEUED" ? "waiting" : "working")}</p>`}
    <${Citations} citations=${message.citations.value} />
    <${Notes} message=${message} />
    ${run?.error && html`<${Failure} message=${message} error=${run.error} />`}
    ${message.isComplete.value && html`<footer>
      <${Branches} message=${message} />
      <${CopyButton} text=${() => message.text.peek()} />
      <button type="button" class="plain" onClick=${() => regenerate(message)}>${t("regenerate")}</button>
      <${Rating} message=${message} />
      <${StepsButton} message=${message} />
      <${Account} run=${run} />
    </footer>`}`;
}

function Notes({ message }) {
  const notes = message.notes.value.filter(({ key }) => key !== "note.queued" || !message.isComplete.value);
  const isStopped = message.status.value === "STOPPED";
  if (!notes.length && !isStopped) return null;
  return html`<ul class="notes">
    ${notes.map(({ key, values }) => html`<li class=${key ? "" : "error"}>${key ? t(key, values) : values.text}</li>`)}
    ${isStopped && html`<li>${t("note.stopped")}</li>`}
  </ul>`;
}

function Failure({ message, error }) {
  return html`<div class="failure" role="alert">
    <p dir="auto">${error.message}</p>
    <button type="button" onClick=${() => retry(message)}>${t("retry")}</button>
  </div>`;
}

function Rating({ message }) {
  const button = (rating, label, icon) => html`<button type="button" class="plain icon" aria-label=${label} title=${label}
    aria-pressed=${message.rating.value === rating ? "true" : "false"}
    onClick=${() => rate(message, message.rating.value === rating ? null : rating)}><${Icon} name=${icon} /></button>`;
  return html`${button("GOOD", t("rate.good"), "good")}${button("BAD", t("rate.bad"), "bad")}`;
}

// Which model answered, what it read and wrote, and what that cost.
function Account({ run }) {
  if (!run) return null;
  const { providerModel, usage, costUsd } = run;
  const facts = [
    providerModel,
    usage?.inputTokens && t("tokens", { input: formatNumber(usage.inputTokens), output: formatNumber(usage.outputTokens) }),
    costUsd === null || costUsd === undefined ? null : `$${costUsd}`,
  ].filter(Boolean);
  return facts.length ? html`<span class="account quiet">${facts.join(" · ")}</span>` : null;
}

function Branches({ message }) {
  const siblings = message.siblings.value;
  if (siblings.length < 2) return null;
  const index = siblings.indexOf(message.id);
  const arrow = (step, label, sign) => html`<button type="button" class="plain icon" aria-label=${label}
    disabled=${siblings[index + step] === undefined} onClick=${() => selectBranch(siblings[index + step])}>${sign}</button>`;
  return html`<span class="branches" role="group" aria-label=${t("branches")}>
    ${arrow(-1, t("branch.previous"), "‹")}<span>${index + 1} / ${siblings.length}</span>${arrow(1, t("branch.next"), "›")}
  </span>`;
}
