// Uploads of files by signed requests, in parts, with progress. At most three files are sent at the same time.

import { CANCEL_UPLOAD, COMPLETE_UPLOAD, CREATE_UPLOAD } from "../documents/files.js";
import { ask } from "./graphql.js";
import { randomId } from "./ids.js";
import { withRetries } from "./retries.js";
import { t } from "./texts.js";

const CONCURRENCY = 3;
const SET_BY_BROWSER = /^(?:content-length|host)$/i;
const waiting = [];
let active = 0;

async function takeTurn() {
  if (active >= CONCURRENCY) await new Promise((resolve) => waiting.push(resolve));
  else active += 1;
}

function passTurn() {
  if (waiting.length) waiting.shift()();
  else active -= 1;
}

function sendPart(file, part, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(part.method, part.url);
    for (const { name, value } of part.headers) if (!SET_BY_BROWSER.test(name)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onProgress(loaded);
    request.onload = () => (request.status < 300 ? resolve() : reject(new Error(t("upload.refused", { status: request.status }))));
    request.onerror = () => reject(new Error(t("upload.unreachable")));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file.slice(part.offsetBytes, part.offsetBytes + part.sizeBytes));
  });
}

// Uploads a file and returns it as the API knows it. `onProgress` gets a number from 0 to 1.
export async function uploadFile(file, { onProgress = () => {}, signal } = {}) {
  await takeTurn();
  let upload = null;
  try {
    signal?.throwIfAborted();
    const input = { name: file.name, sizeBytes: file.size, contentType: file.type || null, clientId: randomId() };
    ({ upload } = await withRetries(() => ask(CREATE_UPLOAD, { input }), signal));
    let sent = 0;
    for (const part of upload.parts) {
      const onPartProgress = (loaded) => onProgress((sent + loaded) / Math.max(1, file.size));
      await withRetries(() => sendPart(file, part, onPartProgress, signal), signal);
      sent += part.sizeBytes;
    }
    const { file: stored } = await withRetries(() => ask(COMPLETE_UPLOAD, { input: { uploadId: upload.id } }), signal);
    onProgress(1);
    return stored;
  } catch (error) {
    if (signal?.aborted && upload) ask(CANCEL_UPLOAD, { input: { uploadId: upload.id } }).catch(() => null);
    throw error;
  } finally {
    passTurn();
  }
}
