// The component around MarkdownStream: `text` and `isComplete` are signals, so that growing text renders no component.
// `onDone` gets the node when a complete text has been rendered.

import { attempt } from "./notices.js";
import { effect, html, useEffect, useRef } from "./ui.js";

// The libraries for Markdown are a third of the page; the first screen has none of it.
export const loadMarkdown = () => import("./stream.js");

export function Markdown({ text, isComplete, onDone = () => {} }) {
  const node = useRef(null);
  useEffect(() => {
    let isOver = false;
    let stop = () => {};
    attempt(async () => {
      const { MarkdownStream } = await loadMarkdown();
      if (isOver) return;
      const stream = new MarkdownStream(node.current, () => onDone(node.current));
      stop = effect(() => stream.update(text.value, isComplete.value));
    });
    return () => {
      isOver = true;
      stop();
    };
  }, [text, isComplete]);
  return html`<div class="text markdown" ref=${node}></div>`;
}
