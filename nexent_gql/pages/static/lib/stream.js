// Shows Markdown that grows. Finished blocks are rendered once and never touched again; only the last block, which is
// still being written, is rendered anew. Work is cut into slices, so that the page stays responsive.

import { colour, frameCode } from "./code.js";
import { renderFormulas } from "./formulas.js";
import { nextFrame } from "./frames.js";
import { completeMarkup, normalize, renderBlocks, splitBlocks } from "./markdown.js";
import { t } from "./texts.js";

const SLICE_MS = 8;
const MAX_LIVE_CHARACTERS = 16_000; // a longer last block is shown as plain text until it is finished
const PAUSE_FACTOR = 4; // a last block that took 5 ms to render is rendered again after 20 ms at the earliest
const MAX_BLOCK_CHARACTERS = 30_000; // a longer block is shown as plain text for good

export class MarkdownStream {
  #node;
  #text = "";
  #finished = 0; // characters whose blocks are rendered
  #hasNewText = false; // since the text was last divided into blocks
  #queue = []; // blocks that are finished and wait to be rendered
  #tail = null; // the node of the last block
  #tailText = null; // its text node while it is shown as plain text or as open code
  #tailReadyAt = 0; // when the last block may be rendered again
  #isComplete = false;
  #isScheduled = false;

  #onDone;

  constructor(node, onDone = () => {}) {
    this.#node = node;
    this.#onDone = onDone;
  }

  // Shows a text; `isComplete` says that no more of it will come.
  update(text, isComplete) {
    const next = normalize(text);
    if (!next.startsWith(this.#text.slice(0, this.#finished))) this.#reset();
    this.#text = next;
    this.#isComplete = isComplete;
    this.#hasNewText = true;
    if (!this.#isScheduled) this.#work();
  }

  #reset() {
    this.#finished = 0;
    this.#queue = [];
    this.#tail = this.#tailText = null;
    this.#node.replaceChildren();
  }

  #work() {
    this.#isScheduled = false;
    const deadline = performance.now() + SLICE_MS;
    while (this.#queue.length || this.#hasNewText) {
      if (!this.#queue.length) this.#split();
      if (this.#queue.length) this.#finish(this.#queue.shift());
      if (this.#queue.length && performance.now() > deadline) return this.#continueLater();
    }
    this.#showTail();
    if (this.#isComplete) this.#onDone();
  }

  #continueLater() {
    this.#isScheduled = true;
    nextFrame(() => this.#work());
  }

  // Moves all blocks to the queue but the last one, which may still change.
  #split() {
    this.#hasNewText = false;
    const rest = this.#text.slice(this.#finished);
    if (!rest || (this.#tailText && !this.#isComplete && this.#isOneBlock(rest))) return;
    const tokens = splitBlocks(rest);
    if (this.#isComplete) this.#queue = tokens;
    else {
      while (tokens.at(-1)?.type === "space") tokens.pop();
      this.#queue = tokens.slice(0, -1);
    }
  }

  // Returns whether text that begins with an open code block or a long paragraph cannot have ended yet.
  #isOneBlock(rest) {
    const shown = this.#tailText.length;
    return !/\n[ \t]*(\n|`|~)/.test(rest.slice(Math.max(0, shown - 8)));
  }

  #finish(token) {
    this.#finished += token.raw.length;
    if (token.type === "space" || token.type === "def") return;
    const block = this.#tail ?? this.#addBlock();
    this.#tail = this.#tailText = null;
    if (token.raw.length > MAX_BLOCK_CHARACTERS && token.type !== "code") {
      block.textContent = token.raw;
      block.classList.add("raw");
      return;
    }
    block.classList.remove("raw");
    block.replaceChildren(renderBlocks([token]));
    decorate(block);
  }

  #showTail() {
    const rest = this.#text.slice(this.#finished);
    if (!rest.trim()) return;
    this.#tail ??= this.#addBlock();
    const code = /^ {0,3}(`{3,}|~{3,})([^\n`]*)\n/.exec(rest);
    if (code) this.#growCode(code[2].trim().split(/\s/)[0], rest.slice(code[0].length).replace(/\n[`~]*$/, ""));
    else if (rest.length > MAX_LIVE_CHARACTERS) this.#growText(rest);
    else this.#renderTail(rest);
  }

  #renderTail(rest) {
    const began = performance.now();
    if (began < this.#tailReadyAt) return this.#continueLater();
    this.#tail.replaceChildren(renderBlocks(splitBlocks(completeMarkup(rest))));
    const ended = performance.now();
    this.#tailReadyAt = ended + PAUSE_FACTOR * (ended - began);
  }

  #growCode(language, text) {
    if (!this.#tailText) {
      const code = document.createElement("code");
      code.dataset.language = language;
      this.#tailText = document.createTextNode("");
      code.append(this.#tailText);
      const pre = document.createElement("pre");
      pre.append(code);
      this.#tail.replaceChildren(pre);
      frameCode(pre);
    }
    this.#append(text);
  }

  #growText(text) {
    if (!this.#tailText) {
      this.#tailText = document.createTextNode("");
      this.#tail.classList.add("raw");
      this.#tail.replaceChildren(this.#tailText);
    }
    this.#append(text);
  }

  #append(text) {
    this.#tailText.appendData(text.slice(this.#tailText.length));
  }

  #addBlock() {
    const block = document.createElement("div");
    block.className = "block";
    this.#node.append(block);
    return block;
  }
}

function decorate(block) {
  for (const pre of block.querySelectorAll("pre")) {
    frameCode(pre);
    colour(pre.firstElementChild);
  }
  for (const table of block.querySelectorAll("table")) {
    const frame = document.createElement("div");
    Object.assign(frame, { className: "table", tabIndex: 0, role: "region", ariaLabel: t("table.label") });
    table.replaceWith(frame);
    frame.append(table);
  }
  const formulas = block.querySelectorAll("[data-formula]");
  if (formulas.length) renderFormulas(formulas);
}
