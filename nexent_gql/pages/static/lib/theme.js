// Light or dark, or as the system says.

import { storage } from "./storage.js";
import { effect, signal } from "./ui.js";

export const THEMES = ["system", "light", "dark"];
export const theme = signal(storage.read("theme") ?? "system");

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

export function chooseTheme(name) {
  storage.write("theme", name);
  theme.value = name;
}
