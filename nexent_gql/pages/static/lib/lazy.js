// A component that is loaded when it is shown first, so that the first load stays small.

import { attempt } from "./notices.js";
import { html, useEffect, useState } from "./ui.js";

// `load` returns the component; the other properties are passed on to it.
export function Lazy({ load, ...properties }) {
  const [component, setComponent] = useState(null);
  useEffect(() => void attempt(async () => {
    const loaded = await load();
    setComponent(() => loaded);
  }), []);
  return component && html`<${component} ...${properties} />`;
}
