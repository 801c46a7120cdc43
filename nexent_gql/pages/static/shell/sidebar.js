// The sidebar: a new conversation, the list of conversations, the state of the connection, and preferences. On narrow
// screens a button shows it.

import { SidebarList } from "../conversations/sidebar-list.js";
import { SearchField } from "../conversations/search.js";
import { connection } from "../lib/graphql.js";
import { Icon } from "../lib/icons.js";
import { link, route } from "../lib/router.js";
import { storage } from "../lib/storage.js";
import { signOut } from "../lib/session.js";
import { language, LANGUAGES, t } from "../lib/texts.js";
import { chooseLanguage, chooseTheme, theme, THEMES } from "../lib/preferences.js";
import { effect, html, signal, useEffect, useRef } from "../lib/ui.js";

const AREAS = ["knowledge", "agents", "models", "account"];
export const isSidebarOpen = signal(false);
export const isPanelOpen = signal(storage.read("developer") ?? false);
effect(() => storage.write("developer", isPanelOpen.value));

export function Sidebar() {
  const isOpen = isSidebarOpen.value;
  const menu = useRef(null);
  const closeByKey = (event) => {
    if (event.key !== "Escape" || !isOpen) return;
    isSidebarOpen.value = false;
    menu.current.focus();
  };
  useEffect(() => {
    const closeFromBeside = ({ target }) => !target.closest("#sidebar, .menu, dialog") && (isSidebarOpen.value = false);
    addEventListener("pointerdown", closeFromBeside);
    return () => removeEventListener("pointerdown", closeFromBeside);
  }, []);
  return html`
    <button type="button" class="menu plain icon" aria-expanded=${isOpen ? "true" : "false"} aria-controls="sidebar"
      ref=${menu} aria-label=${t("menu")} onKeyDown=${closeByKey} onClick=${() => (isSidebarOpen.value = !isOpen)}><${Icon} name="menu" /></button>
    <aside id="sidebar" class=${isOpen ? "open" : ""} aria-label=${t("sidebar")} onKeyDown=${closeByKey}>
      <p class="brand">nexent_gql</p>
      <a id="new" class="button" href=${link()}>${t("conversation.new")}</a>
      <${SearchField} />
      <${SidebarList} />
      <nav class="areas" aria-label=${t("areas")}>
        ${AREAS.map((name) => html`<a key=${name} href=${link(name)} aria-current=${route.value[0] === name ? "page" : null}>${t(name)}</a>`)}
      </nav>
      <${Connection} />
      <${Preferences} />
    </aside>`;
}

function Connection() {
  return html`<p id="state" class="quiet" data-state=${connection.value} role="status">
    <span class="dot"></span> ${t(`connection.${connection.value}`)}
  </p>`;
}

function Preferences() {
  const options = (values, label) => values.map((value) => html`<option key=${value} value=${value}>${label(value)}</option>`);
  return html`<details class="preferences"><summary>${t("preferences")}</summary>
    <label>${t("theme")} <select id="theme" value=${theme.value} onChange=${(event) => chooseTheme(event.target.value)}>
      ${options(THEMES, (name) => t(`theme.${name}`))}</select></label>
    <label>${t("language")} <select id="language" value=${language.value} onChange=${(event) => chooseLanguage(event.target.value)}>
      ${options(Object.keys(LANGUAGES), (code) => LANGUAGES[code])}</select></label>
    <button type="button" class="plain" onClick=${() => (isPanelOpen.value = !isPanelOpen.value)}>${t("developer")}</button>
    <a href="/graphql">GraphiQL</a>
    <button type="button" class="plain" onClick=${signOut}>${t("sign-out")}</button>
  </details>`;
}
