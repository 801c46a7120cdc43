// Work that waits for the next frame. A hidden page has no frames; it works in intervals.

const HIDDEN_MS = 100;

export const nextFrame = (action) => (document.hidden ? setTimeout(action, HIDDEN_MS) : requestAnimationFrame(action));

// Gathers items and passes all of a frame to `apply` at once. `flush` applies what has been gathered so far.
export class FrameQueue {
  #apply;
  #items = [];

  constructor(apply) {
    this.#apply = apply;
  }

  push(item) {
    if (this.#items.push(item) === 1) nextFrame(() => this.flush());
  }

  flush() {
    const items = this.#items;
    this.#items = [];
    if (items.length) this.#apply(items);
  }
}
