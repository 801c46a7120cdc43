// A labelled form field. What somebody has typed or chosen stays, whatever is rendered or loaded meanwhile.

import { html, useId } from "./ui.js";

// A labelled input with the message of a ValidationError whose path ends with its name. It shows `value` until it is
// changed: Preact writes the property `value` into the element each time it renders, and never `defaultValue` again.
export function Field({ name, label, error, hint, as = "input", value, children, ...attributes }) {
  const id = useId();
  const message = error?.path?.at(-1) === name || error?.path?.[1] === name ? error.message : null;
  const described = message ? `${id}-error` : hint ? `${id}-hint` : null;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <${as} id=${id} name=${name} aria-invalid=${message ? "true" : null} aria-describedby=${described}
      ...${value === undefined ? {} : { defaultValue: value }} ...${attributes}>${children}<//>
    ${hint && !message && html`<small id=${`${id}-hint`}>${hint}</small>`}
    ${message && html`<small id=${`${id}-error`} class="error" data-field=${name} role="alert">${message}</small>`}
  </div>`;
}
