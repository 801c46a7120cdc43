// Formulas as MathML, by KaTeX, which is loaded with the first formula. Without it the source stays.

const MAX_CHARACTERS = 2_000;
let loading = null;

function load() {
  loading ??= import("../katex.js").then(() => globalThis.katex, () => null);
  return loading;
}

export async function renderFormulas(nodes) {
  const katex = await load();
  if (!katex) return;
  for (const node of nodes) {
    const source = node.textContent;
    if (!node.isConnected || source.length > MAX_CHARACTERS) continue;
    try {
      katex.render(source, node, {
        output: "mathml",
        displayMode: node.dataset.formula === "block",
        trust: false,
        maxExpand: 200,
        maxSize: 20,
      });
    } catch {
      node.textContent = source;
    }
  }
}
