// The few names of Preact, hooks and signals that components use.

import htm from "htm";
import { Fragment, h, render } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export const html = htm.bind(h);
export { Fragment, render };
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal, useSignal, useSignalEffect } from "@preact/signals";

// Returns a ref for the button that opens an editor in its own place: it gets the focus when the editor closes.
export function useReturnedFocus(isOpen) {
  const button = useRef(null);
  const wasOpen = useRef(isOpen);
  useLayoutEffect(() => {
    if (wasOpen.current && !isOpen) button.current?.focus();
    wasOpen.current = isOpen;
  }, [isOpen]);
  return button;
}
