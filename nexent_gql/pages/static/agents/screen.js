// Agents: the list, and the form that creates or changes one.

import { chooseAgent } from "../chat/agents.js";
import { AGENT, AGENT_CHOICES, CREATE_AGENT, DELETE_AGENT, TOOLS, UPDATE_AGENT } from "../documents/agents.js";
import { KNOWLEDGE_BASES } from "../documents/knowledge.js";
import { MODEL_CHOICES } from "../documents/models.js";
import { Field } from "../lib/field.js";
import { Form } from "../lib/form.js";
import { ask } from "../lib/graphql.js";
import { attempt, notify } from "../lib/notices.js";
import { readAll } from "../lib/paging.js";
import { go, link } from "../lib/router.js";
import { t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { Screen } from "../shell/screen.js";

const KINDS = ["TOOL_CALLING", "CODE"];
const NEW = {
  name: "", description: "", instructions: "", greeting: "", starters: [], kind: "TOOL_CALLING", maxSteps: 15,
  toolNames: [], knowledgeBases: [], model: null, route: null,
};

// `baseId` is a knowledge base that a new agent is meant for.
export function AgentsScreen({ agentId, baseId }) {
  return agentId ? html`<${AgentScreen} key=${agentId} agentId=${agentId} baseId=${baseId} />` : html`<${AgentList} />`;
}

function AgentList() {
  const [agents, setAgents] = useState(null);
  useEffect(() => void attempt(async () => setAgents(await readAll(AGENT_CHOICES))), []);
  return html`<${Screen} title=${t("agents")} actions=${html`<a class="button" href=${link("agents", "new")}>${t("agent.create")}</a>`}>
    ${agents?.length === 0 && html`<p class="empty">${t("agents.none")}</p>`}
    <ul class="cards">${agents?.map(({ id, name, description, effectiveModel, route }) => html`<li key=${id} class="card">
      <a href=${link("agents", id)}><bdi>${name}</bdi></a>
      <p dir="auto">${description}</p>
      <span class="quiet">${t("agent.model", { model: route?.name ?? effectiveModel?.name ?? "–" })}</span>
    </li>`)}</ul>
  <//>`;
}

function AgentScreen({ agentId, baseId }) {
  const isNew = agentId === "new";
  const draft = baseId ? { ...NEW, knowledgeBases: [{ id: baseId }] } : NEW;
  const [data, setData] = useState(null);
  useEffect(() => void attempt(async () => {
    const [agent, tools, models, bases] = await Promise.all([isNew ? draft : ask(AGENT, { id: agentId }), readAll(TOOLS), readAll(MODEL_CHOICES), readAll(KNOWLEDGE_BASES)]);
    setData({ agent, tools, models, bases });
  }), []);
  if (!data) return html`<${Screen} title=${t("loading")} />`;
  if (!data.agent) return html`<${Screen} title=${t("agents")}><p class="empty">${t("agent.missing")}</p><//>`;
  const save = async (values, form) => {
    const input = readInput(values, form, data.agent);
    if (isNew) {
      const { agent } = await ask(CREATE_AGENT, { input });
      go("agents", agent.id);
    } else {
      const { agent } = await ask(UPDATE_AGENT, { input: { id: agentId, expectedVersion: data.agent.version, ...input } });
      setData({ ...data, agent });
    }
    notify(t("saved"));
  };
  return html`<${Screen} title=${isNew ? t("agent.create") : data.agent.name} actions=${!isNew && html`<${Actions} agent=${data.agent} />`}>
    <${AgentForm} ...${data} onSave=${save} />
  <//>`;
}

// Without a change of the model a route of the agent stays.
function readInput(values, form, agent) {
  const toolNames = new FormData(form).getAll("toolNames");
  const knowledgeBaseIds = new FormData(form).getAll("knowledgeBaseIds");
  const { name, description, instructions, greeting, kind, modelId } = values;
  const starters = values.starters.split("\n").map((line) => line.trim()).filter(Boolean);
  const maxSteps = Number(values.maxSteps);
  const input = { name, description, instructions, greeting, starters, kind, maxSteps, toolNames, knowledgeBaseIds };
  return modelId === (agent.model?.id ?? "") ? input : { ...input, modelId: modelId || null };
}

function AgentForm({ agent, tools, models, bases, onSave }) {
  const unavailable = agent.toolNames.filter((name) => !tools.some((tool) => tool.name === name));
  const hasModel = models.length > 0;
  const names = [...tools, ...unavailable.map((name) => ({ name, description: t("tool.unavailable") }))];
  const defaultModel = models.find(({ isDefault }) => isDefault);
  return html`
    ${!hasModel && html`<p role="status">${t("models.none")} <a href=${link("models")}>${t("models")}</a></p>`}
    <${Form} id="agent-form" onSubmit=${onSave} submit=${t("save")}>${(error) => html`
    <${Field} name="name" label=${t("name")} error=${error} value=${agent.name} required maxlength="100" />
    <${Field} as="textarea" name="description" label=${t("description")} error=${error} rows="2" value=${agent.description} dir="auto" />
    <${Field} as="textarea" name="instructions" label=${t("instructions")} error=${error} rows="8" value=${agent.instructions} dir="auto" hint=${t("instructions.hint")} />
    <${Field} name="greeting" label=${t("agent.greeting")} error=${error} value=${agent.greeting} dir="auto" hint=${t("agent.greeting.hint")} />
    <${Field} as="textarea" name="starters" label=${t("agent.starters")} error=${error} rows="3" value=${agent.starters.join("\n")} dir="auto" hint=${t("agent.starters.hint")} />
    <${Field} as="select" name="kind" label=${t("agent.kind")} error=${error}>
      ${KINDS.map((kind) => html`<option value=${kind} defaultSelected=${kind === agent.kind}>${t(`agent.kind.${kind}`)}</option>`)}<//>
    <${Field} as="select" name="modelId" label=${t("model")} error=${error} hint=${agent.route ? t("agent.route", { route: agent.route.name }) : null}>
      <option value="">${t("model.default", { model: defaultModel?.name ?? "–" })}</option>
      ${models.map(({ id, name }) => html`<option value=${id} defaultSelected=${id === agent.model?.id}>${name}</option>`)}<//>
    <${Field} name="maxSteps" label=${t("agent.max-steps")} error=${error} type="number" min="1" max="50" value=${agent.maxSteps} required />
    <fieldset><legend>${t("tools")}</legend>
      ${names.map(({ name, description }) => html`<label class="check" key=${name}>
        <input type="checkbox" name="toolNames" value=${name} defaultChecked=${agent.toolNames.includes(name)} />
        <span><bdi>${name}</bdi> <small dir="auto">${description}</small></span></label>`)}
    </fieldset>
    <fieldset><legend>${t("knowledge")}</legend>
      ${!bases.length && html`<small>${t("bases.none")} <a href=${link("knowledge")}>${t("base.create")}</a></small>`}
      ${bases.map(({ id, name, description }) => html`<label class="check" key=${id}>
        <input type="checkbox" name="knowledgeBaseIds" value=${id} defaultChecked=${agent.knowledgeBases.some((base) => base.id === id)} />
        <span><bdi>${name}</bdi> <small dir="auto">${description}</small></span></label>`)}
    </fieldset>`}<//>`;
}

function Actions({ agent }) {
  const [isCertain, setCertain] = useState(false);
  const remove = () => attempt(async () => {
    if (!isCertain) return setCertain(true);
    await ask(DELETE_AGENT, { input: { id: agent.id } });
    go("agents");
  });
  const talk = () => {
    chooseAgent(agent.id);
    go();
  };
  return html`<div class="actions">
    <button type="button" onClick=${talk}>${t("agent.ask")}</button>
    <button type="button" class="danger" onClick=${remove}>${isCertain ? t("delete.confirm") : t("delete")}</button>
  </div>`;
}
