// The frame of all screens but the conversation: a heading with actions, and content that scrolls.

import { html, useEffect, useRef } from "../lib/ui.js";

export function Screen({ title, actions, children, ...attributes }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} · nexent_gql`;
    heading.current.focus();
  }, [title]);
  return html`<div class="screen" ...${attributes}>
    <header class="top"><h1 id="title" ref=${heading} tabindex="-1"><bdi>${title}</bdi></h1>${actions}</header>
    <div class="content" tabindex="0" role="region" aria-labelledby="title">${children}</div>
  </div>`;
}
