// What the models have used in the last 30 days.

import { USAGE } from "../documents/models.js";
import { ask } from "../lib/graphql.js";
import { attempt } from "../lib/notices.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";

const DAYS = 30;

export function Usage() {
  const [rows, setRows] = useState([]);
  useEffect(() => void attempt(async () => {
    const since = new Date(Date.now() - DAYS * 86_400_000).toISOString();
    setRows(await ask(USAGE, { since, groupBy: ["MODEL"] }));
  }), []);
  if (!rows.length) return null;
  const cells = ({ calls, failedCalls, inputTokens, outputTokens, costUsd }) =>
    [calls, failedCalls, inputTokens, outputTokens].map((number) => html`<td>${formatNumber(number)}</td>`)
      .concat(html`<td>${costUsd === null ? "–" : `$${costUsd}`}</td>`);
  return html`<section class="table" tabindex="0" role="region" aria-labelledby="usage-title"><h2 id="usage-title">${t("usage", { days: DAYS })}</h2>
    <table><thead><tr>${["model", "usage.calls", "usage.failed", "usage.input", "usage.output", "usage.cost"].map((key) => html`<th scope="col">${t(key)}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.modelId + row.providerModel}><th scope="row"><bdi>${row.providerModel}</bdi></th>${cells(row)}</tr>`)}</tbody></table>
  </section>`;
}
