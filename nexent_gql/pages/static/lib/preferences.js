// Theme and language. The server keeps them for all devices of a user; the browser remembers them for its next start.

import { PREFERENCES, SAVE_PREFERENCES } from "../documents/session.js";
import { ask } from "./graphql.js";
import { attempt } from "./notices.js";
import { storage } from "./storage.js";
import { LANGUAGES, language, loadTexts } from "./texts.js";
import { effect, signal } from "./ui.js";

export const THEMES = ["system", "light", "dark"];
export const theme = signal(storage.read("theme") ?? "system");
let hasChosen = false; // an answer of the server that is older than a choice is dropped

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

function showTheme(name) {
  storage.write("theme", name);
  theme.value = name;
}

async function showLanguage(code) {
  storage.write("language", code);
  await loadTexts(code);
}

// Applies what the user has chosen on another device. Without a language the one of the browser stays.
export async function loadPreferences() {
  const user = (await ask(PREFERENCES))?.user;
  if (hasChosen || !user) return;
  showTheme(user.theme?.toLowerCase() ?? "system");
  const code = user.language?.slice(0, 2).toLowerCase();
  if (code in LANGUAGES && code !== language.value) await showLanguage(code);
}

const save = (input) => attempt(() => ask(SAVE_PREFERENCES, { input }));

export function chooseTheme(name) {
  hasChosen = true;
  showTheme(name);
  return save({ theme: name === "system" ? null : name.toUpperCase() });
}

export async function chooseLanguage(code) {
  hasChosen = true;
  await showLanguage(code);
  await save({ language: code });
}
