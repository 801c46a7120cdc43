// A list that renders only the rows in view, so that a hundred thousand of them scroll smoothly.

import { html, useEffect, useRef, useState } from "./ui.js";

const MARGIN_ROWS = 8;

// `row(item)` returns the content of one row of `rowHeight` pixels. `onEnd` runs when the last rows come into view.
export function WindowedList({ items, rowHeight, row, onEnd, id, label }) {
  const node = useRef(null);
  const [range, setRange] = useState({ first: 0, count: 40 });

  const measure = () => {
    if (!node.current) return; // an observer may report after the list has gone
    const { scrollTop, clientHeight } = node.current;
    const first = Math.max(0, Math.floor(scrollTop / rowHeight) - MARGIN_ROWS);
    const count = Math.ceil(clientHeight / rowHeight) + 2 * MARGIN_ROWS;
    if (first !== range.first || count !== range.count) setRange({ first, count });
    if (first + count >= items.length) onEnd();
  };
  useEffect(measure, [items]);
  useEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(node.current);
    return () => observer.disconnect();
  }, [items]);

  const shown = items.slice(range.first, range.first + range.count);
  const space = (rows) => ({ height: `${Math.max(0, rows) * rowHeight}px` });
  return html`<div class="windowed" ref=${node} onScroll=${measure}>
    <div style=${space(range.first)}></div>
    <ul id=${id} aria-label=${label}>${shown.map((item) => html`<li key=${item.id}>${row(item)}</li>`)}</ul>
    <div style=${space(items.length - range.first - shown.length)}></div>
  </div>`;
}
