// Files that go with a message: chosen, dropped or pasted; each is uploaded at once.

import { call } from "../web/api.js";
import { done } from "../web/done.js";

const PASTED = 4000; // characters: a longer paste is attached
const element = document.getElementById("attached");
const MOST = Number(element.dataset.most);
const MAX_BYTES = Number(element.dataset.maxBytes);
let files = []; // {id, name, bytes}; without an id while it is on its way

export const attachments = () => files.map(({ id, name, bytes }) => ({ id, name, bytes }));
export const uploading = () => files.some((file) => !file.id);

/** A size as the server writes it. */
function size(bytes) {
  return bytes < 1024 ? `${bytes} bytes` : `${(bytes / 1024).toFixed(1)} KB`;
}

/** A list item that names a file. */
export function chip({ name, bytes }) {
  const item = document.createElement("li");
  item.append(name, " ", Object.assign(document.createElement("span"), { className: "muted", textContent: size(bytes) }));
  return item;
}

function show() {
  element.replaceChildren(...files.map((file) => {
    const item = chip(file);
    if (!file.id) item.classList.add("on-its-way");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "×" });
    button.setAttribute("aria-label", `Remove ${file.name}`);
    button.addEventListener("click", () => { files = files.filter((one) => one !== file); show(); });
    item.append(button);
    return item;
  }));
}

export function clear() {
  files = [];
  show();
}

/** Return the end of a file that is too large, from the beginning of a line. */
async function endOf(file) {
  const bytes = new Uint8Array(await file.slice(-MAX_BYTES).arrayBuffer());
  const line = bytes.indexOf(10) + 1;
  return new File([bytes.subarray(line)], file.name, { type: "text/plain" });
}

/** Upload files; what cannot be attached is said by `complain`. */
export async function attach(several, complain) {
  for (const given of several) {
    if (files.length >= MOST) { complain(`A message takes ${MOST} files at most.`); return; }
    const isCut = given.size > MAX_BYTES;
    const file = isCut ? await endOf(given) : given;
    const row = { name: given.name, bytes: file.size };
    files = [...files, row];
    show();
    const form = new FormData();
    form.append("file", file, given.name);
    try {
      Object.assign(row, await call("POST", "/api/attachments/", form));
      if (isCut) done(`${given.name} has ${size(given.size)}: only its end, ${size(row.bytes)}, is attached.`);
    } catch (error) {
      files = files.filter((one) => one !== row);
      complain(`${given.name} is not attached. ${error.message}`);
    }
    show();
  }
}

/** Attach what is chosen, dropped on the page, or pasted. */
export function accept(box, complain) {
  const input = document.getElementById("file");
  input.addEventListener("change", () => { attach([...input.files], complain); input.value = ""; box.focus(); });
  box.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text/plain");
    const pasted = text.length > PASTED ? [new File([text], "pasted.txt", { type: "text/plain" })] : text ? [] : [...event.clipboardData.files];
    if (!pasted.length) return;
    event.preventDefault();
    attach(pasted, complain);
  });
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    attach([...event.dataTransfer.files], complain);
  });
}

export const ACTIONS = { attach: () => document.getElementById("file").click() };
