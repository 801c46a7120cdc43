// Random identifiers. `crypto.randomUUID` exists on HTTPS and localhost only, `getRandomValues` everywhere.

export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
