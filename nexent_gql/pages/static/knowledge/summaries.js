// The summaries of a knowledge base: the READY one, and the one that was requested last, whose text grows.

import { CANCEL_KNOWLEDGE_SUMMARY, KNOWLEDGE_SUMMARIES, SUMMARIZE_KNOWLEDGE_BASE } from "../documents/knowledge.js";
import { ask } from "../lib/graphql.js";
import { randomId } from "../lib/ids.js";
import { attempt } from "../lib/notices.js";
import { batch, computed, signal } from "../lib/ui.js";

const UNFINISHED = new Set(["QUEUED", "RUNNING"]);
const RELOAD_MS = 1_000; // documents that change within it make one request

export class SummaryStore {
  #baseId;
  #timer = null;
  ready = signal(null);
  latest = signal(null);
  isWriting = computed(() => UNFINISHED.has(this.latest.value?.state));
  // The READY summary stays until another one has text.
  shown = computed(() => (this.isWriting.value && this.latest.value.text ? this.latest.value : this.ready.value));
  text = computed(() => this.shown.value?.text ?? "");
  isWhole = computed(() => this.shown.value?.state === "READY");

  constructor(baseId) {
    this.#baseId = baseId;
  }

  show({ summary, latestSummary }) {
    batch(() => {
      this.ready.value = summary;
      this.latest.value = latestSummary;
    });
  }

  close() {
    clearTimeout(this.#timer);
  }

  apply(event) {
    if (event.__typename === "KnowledgeSummaryStateChanged") this.#put(event.summary);
    else if (event.__typename === "KnowledgeSummaryTextAdded") this.#grow(event);
    else if (event.__typename === "DocumentEventGap" || this.latest.value) this.#reloadLater();
  }

  #put(summary) {
    if (!summary || summary.createdAt < (this.latest.value?.createdAt ?? "")) return;
    this.latest.value = summary;
    if (summary.state === "READY") this.ready.value = summary;
  }

  // Adds text behind the first `start` characters, which the schema counts by code points.
  #grow({ summaryId, start, text }) {
    const latest = this.latest.value;
    if (latest?.id !== summaryId || !this.isWriting.value) return;
    const characters = [...(latest.text ?? "")];
    if (text === null || start > characters.length) return this.#reloadLater();
    const isShown = characters.slice(start).join("").startsWith(text);
    if (!isShown) this.latest.value = { ...latest, text: characters.slice(0, start).join("") + text };
  }

  // Changed documents make a summary stale or withhold its text.
  #reloadLater() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      attempt(async () => {
        const base = await ask(KNOWLEDGE_SUMMARIES, { id: this.#baseId });
        if (base) this.show(base);
      });
    }, RELOAD_MS);
  }

  async write({ modelId, language }) {
    const input = { knowledgeBaseId: this.#baseId, modelId: modelId || null, language: language || null, clientId: randomId() };
    this.#put((await ask(SUMMARIZE_KNOWLEDGE_BASE, { input })).summary);
  }

  cancel = () => attempt(async () => {
    this.#put((await ask(CANCEL_KNOWLEDGE_SUMMARY, { input: { summaryId: this.latest.value.id } })).summary);
  });
}
