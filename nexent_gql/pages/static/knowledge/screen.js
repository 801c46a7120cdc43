// Knowledge bases: the list, one base with its documents, and one document with its chunks.

import { BaseScreen } from "./base.js";
import { BasesScreen } from "./bases.js";
import { DocumentScreen } from "./document.js";
import { html } from "../lib/ui.js";

export function KnowledgeScreen({ baseId, documentId, place }) {
  if (documentId) return html`<${DocumentScreen} key=${documentId} baseId=${baseId} documentId=${documentId} place=${place} />`;
  if (baseId) return html`<${BaseScreen} key=${baseId} baseId=${baseId} />`;
  return html`<${BasesScreen} />`;
}
