// What a message looks like while its run's events arrive. Everything a model or a tool said is text, never markup.

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export class MessageView {
  constructor({ role, status, text = "" }) {
    this.text = element("div", { className: "text", textContent: text });
    this.parts = element("div", { className: "parts" });
    this.footer = element("footer");
    this.node = element("article", {}, this.parts, this.text, this.footer);
    this.role = role;
    this.open = null;
    this.calls = new Map();
    this.status = status;
  }

  set status(value) {
    this.node.className = `message ${this.role} ${value}`;
    this.node.dataset.status = value;
  }

  // Applies one event of the run; the text is the concatenation of the deltas behind the last AttemptStarted.
  apply(event) {
    switch (event.__typename) {
      case "AttemptStarted":
        this.text.textContent = event.text;
        if (event.attempt > 1) this.note(`Another worker went on (attempt ${event.attempt}).`);
        break;
      case "TextDelta":
        this.text.append(event.text);
        this.open = null;
        break;
      case "ReasoningDelta":
        this.grow("Thinking", event.text);
        break;
      case "CodeDelta":
        this.grow("Code", event.text);
        break;
      case "ToolCallStarted":
        this.call(event);
        break;
      case "ToolOutput":
        this.output(event);
        break;
      case "StepFinished":
        if (event.errorMessage) this.note(event.errorMessage, true);
        this.open = null;
        break;
      case "StreamGap":
        this.note(`Events ${event.fromSeq} to ${event.toSeq} can no longer be had.`);
        break;
      case "RunFinished":
        this.status = { SUCCEEDED: "COMPLETE" }[event.status] ?? event.status;
        this.account(event);
        if (event.error) this.note(event.error.message, true);
        if (event.status === "STOPPED") this.note("Stopped.");
        break;
    }
  }

  // Shows which model answered, and what the run cost.
  account({ providerModel, costUsd }) {
    const facts = [providerModel, costUsd === null ? null : `$${costUsd}`].filter(Boolean);
    if (facts.length) this.footer.append(element("span", { textContent: facts.join(" · "), className: "quiet account" }));
  }

  grow(label, text) {
    if (this.open?.label !== label) {
      const body = element("pre");
      const part = element("details", { open: label === "Code" }, element("summary", { textContent: label }), body);
      this.parts.append(part);
      this.open = { label, body };
    }
    this.open.body.append(text);
  }

  call({ callId, name, arguments: given }) {
    if (this.calls.has(callId)) return;
    const summary = element("summary", { textContent: `${name} …` });
    const shown = typeof given?.code === "string" ? given.code : JSON.stringify(given);
    const part = element("details", { className: "tool" }, summary, element("pre", { textContent: shown }));
    this.calls.set(callId, { part, summary, name });
    this.parts.append(part);
    this.open = null;
  }

  output({ callId, output, isError, durationMs }) {
    const call = this.calls.get(callId);
    if (!call || call.done) return;
    call.done = true;
    call.summary.textContent = `${call.name} · ${durationMs} ms`;
    call.part.append(element("pre", { textContent: output, className: isError ? "wrong" : "" }));
  }

  note(text, wrong = false) {
    this.footer.append(element("span", { textContent: text, className: wrong ? "quiet wrong" : "quiet" }));
  }
}
