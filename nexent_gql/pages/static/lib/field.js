// A labelled form field.

import { html, useId } from "./ui.js";

// A labelled input with the message of a ValidationError whose path ends with its name.
export function Field({ name, label, error, hint, as = "input", children, ...attributes }) {
  const id = useId();
  const message = error?.path?.at(-1) === name || error?.path?.[1] === name ? error.message : null;
  const described = message ? `${id}-error` : hint ? `${id}-hint` : null;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <${as} id=${id} name=${name} aria-invalid=${message ? "true" : null} aria-describedby=${described}
      ...${attributes}>${children}<//>
    ${hint && !message && html`<small id=${`${id}-hint`}>${hint}</small>`}
    ${message && html`<small id=${`${id}-error`} class="error" data-field=${name} role="alert">${message}</small>`}
  </div>`;
}
