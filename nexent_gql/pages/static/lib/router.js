// Routes in the fragment of the address: "#/c/ID", "#/knowledge/ID". The server needs to know none of them.

import { signal } from "./ui.js";

const parse = () => location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);

// The parts of the route, such as ["c", "Q29udm..."]; empty on the first screen.
export const route = signal(parse());

addEventListener("hashchange", () => (route.value = parse()));

export const link = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

export function go(...parts) {
  location.hash = link(...parts);
}

// Changes the address without a new entry in the history, as when a conversation receives its ID.
export function replace(...parts) {
  history.replaceState(null, "", link(...parts));
  route.value = parse();
}
