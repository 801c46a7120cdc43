// The conversations in the sidebar, each with a menu.

import { current } from "../chat/conversation.js";
import { Icon } from "../lib/icons.js";
import { Lazy } from "../lib/lazy.js";
import { attempt } from "../lib/notices.js";
import { link } from "../lib/router.js";
import { t } from "../lib/texts.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { WindowedList } from "../lib/windowed-list.js";
import { query, SearchResults } from "./search.js";
import * as list from "./list.js";

const ROW_HEIGHT = 40;
const dialog = async () => (await import("./dialog.js")).ConversationDialog;
const BUSY = new Set(["QUEUED", "RUNNING"]);

export function SidebarList() {
  const [chosen, choose] = useState(null);
  useEffect(() => void attempt(list.loadFirst), []);
  const row = (item) => html`<${Row} item=${item} onMenu=${() => choose(item)} />`;
  if (query.value.trim()) return html`<${SearchResults} />`;
  return html`<nav aria-label=${t("conversations")}>
    <${WindowedList} items=${list.conversations.value} rowHeight=${ROW_HEIGHT} row=${row} id="conversations"
      label=${t("conversations")} onEnd=${() => list.hasMore.value && attempt(list.loadMore)} />
    <${ArchiveButton} />
    ${chosen && html`<${Lazy} load=${dialog} item=${chosen} onClose=${() => choose(null)} />`}
  </nav>`;
}

function ArchiveButton() {
  const isArchive = list.isArchive.value;
  return html`<button type="button" class="plain archive" onClick=${() => attempt(() => list.showArchive(!isArchive))}>
    ${t(isArchive ? "archive.leave" : "archive.show")}</button>`;
}

function Row({ item, onMenu }) {
  const title = item.title || t("conversation.new");
  const isCurrent = current.value?.id === item.id;
  return html`<div class="row">
    <a href=${link("c", item.id)} aria-current=${isCurrent ? "page" : null} title=${title}><bdi>${title}</bdi></a>
    ${item.pinnedAt && html`<span role="img" aria-label=${t("pinned")}><${Icon} name="pin" /></span>`}
    ${BUSY.has(item.latestRun?.status) && html`<span class="busy" role="img" aria-label=${t("answering")}></span>`}
    <button type="button" class="plain icon" aria-label=${t("conversation.menu", { title })} onClick=${onMenu}><${Icon} name="more" /></button>
  </div>`;
}
