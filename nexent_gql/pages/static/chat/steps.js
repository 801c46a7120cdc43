// What an agent did on its way to the answer: reasoning, code and tool calls, each folded.

import { loadSteps } from "./conversation.js";
import { attempt } from "../lib/notices.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useState } from "../lib/ui.js";

const MAX_SHOWN_CHARACTERS = 20_000;
const clip = (text) => (text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}\n…` : text);
const asText = (values) => (typeof values?.code === "string" ? values.code : JSON.stringify(values, null, 2));

export function Steps({ message }) {
  const steps = message.steps.value;
  if (!steps.length) return null;
  return html`<div class="steps">${steps.map((step, index) => html`<${Step} key=${index} step=${step} />`)}</div>`;
}

function Step({ step }) {
  if (step.kind === "tool") return html`<${ToolCall} call=${step} />`;
  return html`<details class=${step.kind} open=${step.kind === "code"}>
    <summary>${t(step.kind === "code" ? "step.code" : "step.reasoning")}</summary>
    <pre tabindex="0">${clip(step.text.value)}</pre>
  </details>`;
}

function ToolCall({ call }) {
  const result = call.result.value;
  const state = result === null ? "…" : t(result.isError ? "tool.failed" : "tool.done", { ms: formatNumber(result.durationMs) });
  return html`<details class="tool" data-failed=${result?.isError ? "true" : null}>
    <summary><bdi>${call.name}</bdi> <span class="quiet">${state}</span></summary>
    <h4>${t("tool.arguments")}</h4>
    <pre tabindex="0">${clip(asText(call.values))}</pre>
    ${result && html`<h4>${t(result.isError ? "tool.error" : "tool.result")}</h4>
      <pre tabindex="0" class=${result.isError ? "error" : ""}>${clip(result.output)}</pre>`}
  </details>`;
}

// A finished run keeps its events; they are read when somebody wants to see them.
export function StepsButton({ message }) {
  const [isLoading, setLoading] = useState(false);
  const hasSteps = message.steps.value.some((step) => step.kind === "tool");
  if (!message.run.value || !message.isComplete.value || hasSteps || message.eventCount.value) return null;
  const load = async () => {
    setLoading(true);
    await attempt(() => loadSteps(message));
    setLoading(false);
  };
  return html`<button type="button" class="plain" disabled=${isLoading} onClick=${load}>${t("steps.show")}</button>`;
}
