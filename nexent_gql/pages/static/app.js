// The page: sidebar, the screen that the address names, notices, and the dialog to sign in.

import { ChatScreen } from "./chat/screen.js";
import { focusComposer } from "./chat/composer.js";
import { Lazy } from "./lib/lazy.js";
import { attempt } from "./lib/notices.js";
import { loadPreferences } from "./lib/preferences.js";
import { go, route } from "./lib/router.js";
import { isSignedOut, token } from "./lib/session.js";
import { loadTexts, t } from "./lib/texts.js";
import { html, render, useEffect } from "./lib/ui.js";
import { NoticeList } from "./shell/notice-list.js";
import { isPanelOpen, isSidebarOpen, Sidebar } from "./shell/sidebar.js";

// Screens other than the conversation are loaded when they are opened first.
const SCREENS = {
  knowledge: async () => (await import("./knowledge/screen.js")).KnowledgeScreen,
  agents: async () => (await import("./agents/screen.js")).AgentsScreen,
  models: async () => (await import("./models/screen.js")).ModelsScreen,
  account: async () => (await import("./account/screen.js")).AccountScreen,
};

const signIn = async () => (await import("./account/sign-in.js")).SignIn;
const developerPanel = async () => (await import("./developer/panel.js")).DeveloperPanel;

const PROPERTIES = {
  knowledge: ([baseId, documentId, place]) => ({ baseId, documentId, place }),
  agents: ([agentId, baseId]) => ({ agentId, baseId }),
};

function CurrentScreen() {
  const [name, ...rest] = route.value;
  if (!(name in SCREENS)) return html`<${ChatScreen} conversationId=${name === "c" ? rest[0] : null} />`;
  return html`<${Lazy} key=${name} load=${SCREENS[name]} ...${PROPERTIES[name]?.(rest)} />`;
}

function onKeyDown(event) {
  if (event.key === "O" && event.shiftKey && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    go();
    focusComposer();
  } else if (event.key === "/" && !event.target.closest("input, textarea, select, [contenteditable]")) {
    event.preventDefault();
    focusComposer();
  }
}

function App() {
  useEffect(() => {
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  useEffect(() => {
    isSidebarOpen.value = false;
  }, [route.value]);
  if (isSignedOut.value) return html`<main><${Lazy} load=${signIn} /></main>`;
  return html`
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), document.getElementById("main").focus())}>${t("skip")}</a>
    <${Sidebar} />
    <main id="main" tabindex="-1"><${CurrentScreen} /></main>
    ${isPanelOpen.value && html`<${Lazy} load=${developerPanel} />`}
    <${NoticeList} />`;
}

await Promise.all([loadTexts(), attempt(token)]);
render(html`<${App} />`, document.body);
if (!isSignedOut.value) attempt(loadPreferences);
