// Markdown of models and users as safe DOM nodes. HTML in it is shown as text; images become links, so that
// nothing is loaded from elsewhere; DOMPurify removes whatever else could run.

import { Marked } from "marked";
import "../dompurify.js";

const purify = globalThis.DOMPurify;
const TAGS = "p,br,hr,h1,h2,h3,h4,h5,h6,ul,ol,li,blockquote,pre,code,em,strong,del,a,span,table,thead,tbody,tr,th,td,input";
const PLAIN_ATTRIBUTES = ["align", "start", "type", "checked", "disabled", "data-language", "data-formula", "aria-label"];
const POLICY = {
  ALLOWED_TAGS: TAGS.split(","),
  ALLOWED_ATTR: ["href", "title", ...PLAIN_ATTRIBUTES],
  ADD_URI_SAFE_ATTR: PLAIN_ATTRIBUTES, // DOMPurify would compare their values with the addresses that are allowed
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escape = (text) => text.replace(/[&<>"]/g, (character) => ENTITIES[character]);

const formula = (name, level, begins, pattern, kind) => ({
  name,
  level,
  start: (source) => begins.exec(source)?.index,
  tokenizer(source) {
    const match = pattern.exec(source);
    return match ? { type: name, raw: match[0], text: match[1].trim() } : undefined;
  },
  renderer: ({ text }) => {
    const span = `<span data-formula="${kind}">${escape(text)}</span>`;
    return level === "block" ? `<p>${span}</p>` : span;
  },
});

const marked = new Marked({
  gfm: true,
  breaks: true,
  extensions: [
    formula("formulaBlock", "block", /\$\$|\\\[/, /^(?:\$\$|\\\[)([\s\S]+?)(?:\$\$|\\\])(?:\n|$)/, "block"),
    formula("formulaDisplay", "inline", /\$\$|\\\[/, /^(?:\$\$|\\\[)([\s\S]+?)(?:\$\$|\\\])/, "block"),
    formula("formulaParentheses", "inline", /\\\(/, /^\\\(([\s\S]+?)\\\)/, "inline"),
    formula("formulaDollar", "inline", /\$/, /^\$(?![\s$])((?:\\.|[^\\\n$])+?)(?<!\s)\$(?![\d$])/, "inline"),
  ],
  renderer: {
    html: ({ text }) => escape(text),
    code: ({ text, lang }) =>
      `<pre><code data-language="${escape((lang ?? "").split(/\s/)[0])}">${escape(text)}</code></pre>\n`,
    image({ href, text }) {
      return `<a href="${escape(href)}">${escape(text || href)}</a>`;
    },
    checkbox: ({ checked }) => `<input type="checkbox" disabled ${checked ? "checked" : ""} aria-label="${checked ? "☑" : "☐"}"> `,
  },
});

export const normalize = (text) => text.replace(/\r\n?/g, "\n");

// Splits normalized Markdown into top-level blocks; each has `raw`, and together they are the whole text.
export const splitBlocks = (text) => marked.lexer(text);

export const renderBlocks = (tokens) => purify.sanitize(marked.parser(tokens), POLICY);

// Sanitizes HTML that a library of ours produced, such as a code highlighter.
export const sanitizeSpans = (markup) =>
  purify.sanitize(markup, { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true });

// Completes markup that is still being written, so that it does not flash as asterisks or as a heading.
export function completeMarkup(text) {
  let complete = text.replace(/\n[-=]+[ \t]*$/, "").replace(/!?\[([^\]\n]*)\]\([^)\n]*$/, "$1");
  const ticks = complete.match(/`+/g) ?? [];
  if (ticks.filter((run) => run.length === 1).length % 2) return `${complete}\``;
  if ((complete.match(/\*\*/g) ?? []).length % 2) complete = complete.endsWith("**") ? complete.slice(0, -2) : `${complete.trimEnd()}**`;
  return complete.replace(/(^|\s)\*{1,2}$/, "$1");
}
