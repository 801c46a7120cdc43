// Texts of the page in the user's language, from the resource files in texts/.

import { storage } from "./storage.js";
import { signal } from "./ui.js";

export const LANGUAGES = { en: "English", zh: "中文" };

const preferred = () => storage.read("language") ?? navigator.language.slice(0, 2);
const texts = signal({});
export const language = signal("en");

export async function loadTexts(name = preferred()) {
  const code = name in LANGUAGES ? name : "en";
  texts.value = await (await fetch(`/static/texts/${code}.json`)).json();
  language.value = code;
  document.documentElement.lang = code;
}

// Returns a text with its {placeholders} filled. "{count?passage:passages}" is the first word for 1, else the second.
export function t(key, values = {}) {
  return (texts.value[key] ?? key)
    .replace(/\{(\w+)\?([^{}:]*):([^{}]*)\}/g, (whole, name, one, many) => (`${values[name]}` === "1" ? one : many))
    .replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export const formatTime = (iso) => new Date(iso).toLocaleString(language.value, { dateStyle: "medium", timeStyle: "short" });
export const formatNumber = (number) => number.toLocaleString(language.value);

// Rounds to the largest fitting unit, at least a second.
export function formatDuration(seconds) {
  const [unit, length] = [["hour", 3_600], ["minute", 60]].find(([, each]) => seconds >= each) ?? ["second", 1];
  const format = new Intl.NumberFormat(language.value, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 });
  return format.format(Math.max(1, seconds / length));
}

export function formatSize(bytes) {
  const exponent = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 3);
  const value = bytes / 1024 ** exponent;
  return `${value.toLocaleString(language.value, { maximumFractionDigits: 1 })} ${["B", "KiB", "MiB", "GiB"][exponent]}`;
}
