// Which entities the passages of a base name, and how they relate them: a list, without a drawing.

import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { link, route } from "../lib/router.js";
import { formatNumber, t } from "../lib/texts.js";
import { html, useState } from "../lib/ui.js";
import { Chunk } from "./chunk.js";

export function GraphPanel({ store, canWrite }) {
  const status = store.status.value;
  const onToggle = (event) => event.currentTarget.open && store.load();
  return html`<details class="preview graph" onToggle=${onToggle}><summary>${t("graph")}</summary>
    ${status ? html`<${Status} status=${status} />` : html`<p class="quiet">${t("graph.none")}</p>`}
    ${canWrite && store.isIncomplete.value && html`<${BuildForm} store=${store} />`}
    ${status && html`<${Entities} store=${store} />`}
    ${canWrite && status && html`<${Remove} store=${store} />`}
  </details>`;
}

function BuildForm({ store }) {
  const models = store.models.value;
  const defaultModel = models?.find(({ isDefault }) => isDefault);
  return html`<${Form} onSubmit=${() => store.build()} submit=${t(store.status.value ? "graph.continue" : "graph.build")}>${(error) => html`
    <${Field} as="select" name="modelId" label=${t("model")} error=${error} onChange=${(event) => store.choose(event.target.value || null)}>
      <option value="">${t("model.default", { model: defaultModel?.name ?? "–" })}</option>
      ${models?.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}<//>
    <p class="quiet" role="status">${store.estimate.value && html`<${Estimate} estimate=${store.estimate.value} />`}</p>`}<//>`;
}

function Estimate({ estimate }) {
  const { passages, calls, costUsd } = estimate;
  const cost = costUsd === null ? t("cost.unknown") : `$${costUsd}`;
  return t("graph.estimate", { passages: formatNumber(passages), calls: formatNumber(calls), cost });
}

function Remove({ store }) {
  const [isCertain, setCertain] = useState(false);
  const remove = () => (isCertain ? store.remove() : setCertain(true));
  return html`<div class="actions"><span class="quiet">${isCertain && t("graph.delete.hint")}</span>
    <button type="button" class="plain danger" onClick=${remove}>${t(isCertain ? "delete.confirm" : "graph.delete")}</button></div>`;
}

function Status({ status }) {
  const { state, problem, passageCount, readPassageCount, failedPassageCount } = status;
  const facts = { read: formatNumber(readPassageCount), count: formatNumber(passageCount) };
  return html`
    <div class="progress"><span role="status">${t("graph.read", facts)}</span>
      ${state === "BUILDING" && html`<progress max=${Math.max(1, passageCount)} value=${readPassageCount} aria-label=${t("graph.progress")}></progress>`}</div>
    ${problem && html`<p class="error" role="alert" dir="auto">${problem.message}</p>`}
    ${failedPassageCount > 0 && html`<p class="quiet">${t("graph.failed", { count: formatNumber(failedPassageCount) })}</p>`}`;
}

function Entities({ store }) {
  const view = store.entities.value;
  const search = (event) => {
    event.preventDefault();
    const name = new FormData(event.target).get("name").trim();
    if (name) store.find(name);
  };
  return html`
    <form class="search" role="search" onSubmit=${search}>
      <input name="name" type="search" maxlength="100" dir="auto" aria-label=${t("graph.find")} placeholder=${t("graph.find")} />
      <button type="submit">${t("search")}</button>
    </form>
    ${view?.entities.length > 0 && html`<ul class="entities" aria-label=${t("graph.entities")}>
      ${view.entities.map(({ name, kind, passageCount }) => html`<li key=${name}><button type="button" class="plain" onClick=${() => store.find(name)}>
        <bdi>${name}</bdi> <span class="quiet"><bdi>${kind}</bdi> ${formatNumber(passageCount)}</span></button></li>`)}</ul>`}
    ${view?.isTruncated && html`<p class="quiet">${t("graph.truncated")}</p>`}
    ${store.entity.value && html`<${Entity} view=${store.entity.value} onFind=${store.find} />`}`;
}

// The place of a passage in its document; nothing if that was deleted meanwhile.
function DocumentLink({ chunk: { id, document } }) {
  return document && html`<a href=${link("knowledge", route.value[1], document.id, id)}><bdi>${document.title || document.name}</bdi></a>`;
}

function Entity({ view, onFind }) {
  const { name, entities, relations, isTruncated } = view;
  const entity = entities.find((each) => each.name === name || each.aliases.includes(name)) ?? entities[0];
  if (!entity) return html`<p role="status">${t("graph.missing", { name })}</p>`;
  const other = (each) => html`<button type="button" class="plain" onClick=${() => onFind(each)}><bdi>${each}</bdi></button>`;
  return html`<section aria-labelledby="entity-title">
    <h3 id="entity-title"><bdi>${entity.name}</bdi> <span class="quiet"><bdi>${[entity.kind, ...entity.aliases].filter(Boolean).join(" · ")}</bdi></span></h3>
    <p class="quiet" role="status">${t("graph.relations", { count: formatNumber(relations.length) })}</p>
    <ul class="relations">${relations.map(({ source, label, target, passages }) => html`<li key=${`${source.name}\n${label}\n${target.name}`}>
      ${other(source.name)} <span dir="auto">${label}</span> ${other(target.name)}
      <details><summary>${t("chunks.count", { count: formatNumber(passages.length) })}</summary>
        ${passages.map((chunk) => html`<${Chunk} key=${chunk.id} chunk=${chunk} terms=${[source.name, target.name]}><${DocumentLink} chunk=${chunk} /><//>`)}</details>
    </li>`)}</ul>
    ${isTruncated && html`<p class="quiet">${t("graph.truncated")}</p>`}
  </section>`;
}
