// The state of a message, as signals: what a conversation's query says of it, and what its run's events add.

import { batch, computed, signal } from "../lib/ui.js";

const MAX_EVENTS = 5_000;
const SHOWN_AS_ATTACHMENT = new Set(["FileMessagePart", "ImageMessagePart"]);
const STATUSES = { SUCCEEDED: "COMPLETE", FAILED: "FAILED", STOPPED: "STOPPED" };

export class MessageModel {
  constructor(fields) {
    this.id = fields.id;
    this.role = fields.role;
    this.parentId = signal(fields.parent?.id ?? null);
    this.status = signal(fields.status);
    this.text = signal(fields.text ?? "");
    this.isComplete = computed(() => this.status.value !== "STREAMING");
    this.isEmpty = computed(() => this.text.value === "");
    this.rating = signal(fields.rating ?? null);
    this.siblings = signal(fields.siblings?.map(({ id }) => id) ?? [fields.id]);
    this.run = signal(fields.run ?? null);
    this.attachments = signal([]);
    this.citations = signal(fields.citations ?? []);
    this.steps = signal([]); // reasoning, code and tool calls, in order
    this.notes = signal([]); // {key, values, text}: what happened to the run
    this.events = []; // for the developer view; one array that grows, as a copy for each frame would be garbage
    this.eventCount = signal(0); // changes with `events`
    this.#addParts(fields.parts ?? []);
  }

  // Takes over what a later query says; the text of a running answer comes from its events.
  update(fields) {
    batch(() => {
      this.siblings.value = fields.siblings.map(({ id }) => id);
      this.rating.value = fields.rating;
      if (fields.status === "STREAMING") return;
      this.status.value = fields.status;
      this.text.value = fields.text;
      this.citations.value = fields.citations;
      this.run.value = fields.run;
    });
  }

  #addParts(parts) {
    for (const part of parts) {
      if (part.__typename === "ReasoningMessagePart") this.#grow("reasoning", part.text);
      else if (part.__typename === "NoticeMessagePart") this.#note(null, { text: part.message });
      else if (SHOWN_AS_ATTACHMENT.has(part.__typename)) this.attachments.value = [...this.attachments.value, part];
    }
  }

  // Forgets what events have shown, before they are all replayed.
  clearSteps() {
    this.steps.value = [];
    this.notes.value = [];
    this.events = [];
    this.eventCount.value = 0;
  }

  // Applies events of the run, in order. `stepsOnly` leaves text and status as they are.
  apply(events, { stepsOnly = false } = {}) {
    batch(() => {
      for (const event of events) {
        this.#applyStep(event);
        if (!stepsOnly) this.#applyText(event);
        this.events.push(event);
      }
      if (this.events.length > MAX_EVENTS) this.events.splice(0, this.events.length - MAX_EVENTS);
      this.eventCount.value += events.length;
    });
  }

  #applyText(event) {
    if (event.__typename === "AttemptStarted") this.text.value = event.text;
    else if (event.__typename === "TextDelta") this.text.value += event.text;
    else if (event.__typename === "UsageUpdated") this.run.value = { ...this.run.value, costUsd: event.costUsd, usage: event.usage };
    else if (event.__typename === "RunFinished") {
      const { status, providerModel, costUsd, usage, error } = event;
      this.run.value = { ...this.run.value, status, providerModel, costUsd, usage, error };
      this.status.value = STATUSES[status] ?? status;
    }
  }

  #applyStep(event) {
    switch (event.__typename) {
      case "AttemptStarted":
        if (event.attempt > 1) this.#note("note.attempt", event);
        break;
      case "ReasoningDelta":
        this.#grow("reasoning", event.text);
        break;
      case "CodeDelta":
        this.#grow("code", event.text);
        break;
      case "ToolCallStarted":
        this.#startCall(event);
        break;
      case "ToolOutput":
        this.#finishCall(event);
        break;
      case "PartsAdded":
        this.#addParts(event.parts);
        break;
      case "CitationAdded":
        this.#cite(event.citation);
        break;
      case "NoticeAdded":
        this.#addParts([event.notice]);
        break;
      case "ModelQueued":
        this.#note("note.queued", event);
        break;
      case "ModelSwitched":
        this.#note("note.switched", event);
        break;
      case "StepFinished":
        if (event.errorMessage) this.#note(null, { text: event.errorMessage });
        this.#close();
        break;
      case "TextDelta":
        this.#close();
        break;
      case "StreamGap":
        this.#note("note.gap", event);
        break;
    }
  }

  #cite(citation) {
    if (this.citations.value.some(({ label }) => label === citation.label)) return;
    this.citations.value = [...this.citations.value, citation];
  }

  #note(key, values) {
    this.notes.value = [...this.notes.value.filter((note) => note.key !== key || !key), { key, values }];
  }

  #close() {
    const last = this.steps.value.at(-1);
    if (last) last.isOpen = false;
  }

  #grow(kind, text) {
    const last = this.steps.value.at(-1);
    if (last?.kind === kind && last.isOpen) last.text.value += text;
    else this.steps.value = [...this.steps.value, { kind, isOpen: true, text: signal(text) }];
  }

  #startCall({ callId, name, arguments: values }) {
    if (this.steps.value.some((step) => step.callId === callId)) return;
    this.steps.value = [...this.steps.value, { kind: "tool", callId, name, values, result: signal(null) }];
  }

  #finishCall(event) {
    const call = this.steps.value.find((step) => step.callId === event.callId);
    if (call && !call.result.value) call.result.value = event;
  }
}
