// Code blocks: a bar with language and copy button, and colours for languages whose grammar is at hand.

import { copy } from "./clipboard.js";
import { sanitizeSpans } from "./markdown.js";
import { t } from "./texts.js";

const MAX_COLOURED_CHARACTERS = 20_000;
const GRAMMARS = {
  bash: "sh shell console zsh", cpp: "c c++ h hpp cc", csharp: "cs c#", css: "scss less", diff: "patch", go: "golang",
  java: "kotlin", javascript: "js jsx mjs node", json: "json5 jsonc", markdown: "md", python: "py python3", rust: "rs",
  sql: "postgres postgresql mysql", typescript: "ts tsx", xml: "html svg xhtml", yaml: "yml",
};
const names = new Map(
  Object.entries(GRAMMARS).flatMap(([name, others]) => [name, ...others.split(" ")].map((alias) => [alias, name])),
);

const loading = new Map();

function loadGrammar(name) {
  if (!loading.has(name)) {
    loading.set(name, (async () => {
      const [{ default: highlighter }, { default: grammar }] = await Promise.all([
        import("../highlight.js"),
        import(`../highlight-${name}.js`),
      ]);
      highlighter.registerLanguage(name, grammar);
      return highlighter;
    })());
  }
  return loading.get(name);
}

export async function colour(code) {
  const name = names.get(code.dataset.language?.toLowerCase());
  const text = code.textContent;
  if (!name || text.length > MAX_COLOURED_CHARACTERS) return;
  const highlighter = await loadGrammar(name);
  if (code.textContent !== text) return;
  code.replaceChildren(sanitizeSpans(highlighter.highlight(text, { language: name }).value));
}

// Puts a bar with the language and a copy button above a `pre`.
export function frameCode(pre) {
  const frame = document.createElement("figure");
  frame.className = "code";
  const bar = document.createElement("figcaption");
  const label = document.createElement("span");
  label.textContent = pre.firstElementChild?.dataset.language || t("code.plain");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = t("copy");
  button.onclick = async () => {
    await copy(pre.textContent);
    button.textContent = t("copied");
    setTimeout(() => (button.textContent = t("copy")), 2_000);
  };
  bar.append(label, button);
  pre.replaceWith(frame);
  pre.tabIndex = 0;
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", t("code.label"));
  frame.append(bar, pre);
}
