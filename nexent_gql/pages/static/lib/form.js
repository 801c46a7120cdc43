// A form whose fields show the server's validation messages. Its child is a function of the error, null at first.

import { html, useEffect, useRef, useState } from "./ui.js";

export function Form({ onSubmit, submit, children, id = null }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const alert = useRef(null);
  useEffect(() => void alert.current?.scrollIntoView({ block: "nearest" }), [error]);
  const run = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setError(null);
    try {
      await onSubmit(Object.fromEntries(new FormData(event.target)), event.target);
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  const isShownAtField = error?.path?.length > 1;
  return html`<form id=${id} onSubmit=${run}>
    ${error && !isShownAtField && html`<p class="error" role="alert" dir="auto" ref=${alert}>${error.message}</p>`}
    ${children(error)}
    <div class="actions"><button type="submit" aria-disabled=${isBusy ? "true" : null}>${submit}</button></div>
  </form>`;
}
