// The few names of Preact, hooks and signals that components use.

import htm from "htm";
import { Fragment, h, render } from "preact";

export const html = htm.bind(h);
export { Fragment, render };
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal, useSignal, useSignalEffect } from "@preact/signals";
