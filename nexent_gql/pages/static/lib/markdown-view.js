// The component around MarkdownStream: `text` and `isComplete` are signals, so that growing text renders no component.
// `onDone` gets the node when a complete text has been rendered.

import { MarkdownStream } from "./stream.js";
import { effect, html, useEffect, useRef } from "./ui.js";

export function Markdown({ text, isComplete, onDone = () => {} }) {
  const node = useRef(null);
  useEffect(() => {
    const stream = new MarkdownStream(node.current, () => onDone(node.current));
    return effect(() => stream.update(text.value, isComplete.value));
  }, [text, isComplete]);
  return html`<div class="text markdown" ref=${node}></div>`;
}
