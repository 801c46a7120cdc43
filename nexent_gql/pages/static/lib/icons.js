// Icons as inline SVG: fonts of the system may lack them.

import { html } from "./ui.js";

const PATHS = {
  good: "M7 11v9H4v-9zm0 0 4-8c1.7 0 2.6 1.2 2.3 2.800L12.6 9H19a2 2 0 0 1 2 2.300l-1.2 7A2 2 0 0 1 17.8 20H7",
  bad: "M7 13V4H4v9zm0 0 4 8c1.7 0 2.6-1.2 2.3-2.800L12.6 15H19a2 2 0 0 0 2-2.300l-1.2-7A2 2 0 0 0 17.8 4H7",
  attach: "M20 11.5 12 19.500a5 5 0 0 1-7-7l8.5-8.500a3.3 3.3 0 0 1 4.7 4.700L9.7 17.200a1.6 1.6 0 0 1-2.3-2.300l7.6-7.6",
  close: "M6 6l12 12M18 6 6 18",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  pin: "M9 4h6l-1 7 3 3H7l3-3zM12 14v6",
};

export function Icon({ name }) {
  return html`<svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" stroke-width="1.8"
    stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}
