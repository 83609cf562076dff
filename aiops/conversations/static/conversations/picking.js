// Picks a saved prompt: "/" at the beginning of a message opens the list, what follows narrows it.

import { call } from "../web/api.js";

const PATH = "/api/saved-prompts/";
const MOST = 8;
const box = document.getElementById("message");
const list = document.getElementById("prompts");
const WRITTEN = /^\/([^\n]{0,60})$/;
let shown = [];
let at = 0;
let latest = 0;

const isOpen = () => !list.hidden;

function close() {
  list.hidden = true;
  shown = [];
  box.removeAttribute("aria-activedescendant");
}

function mark(index) {
  at = (index + shown.length) % shown.length;
  [...list.children].forEach((item, n) => item.setAttribute("aria-selected", String(n === at)));
  list.children[at].scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", list.children[at].id);
}

function pick(index) {
  const { text } = shown[index];
  close();
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.focus();
}

function show(prompts, search) {
  shown = prompts;
  list.replaceChildren(...prompts.map((prompt, n) => {
    const item = Object.assign(document.createElement("li"), { id: `prompt-${n}`, role: "option" });
    const about = Object.assign(document.createElement("span"), { className: "muted", textContent: prompt.text.slice(0, 120) });
    item.append(Object.assign(document.createElement("strong"), { textContent: prompt.name }), " ", about);
    item.addEventListener("click", () => pick(n));
    return item;
  }));
  if (!prompts.length) {
    const textContent = search ? "No saved prompt has this name." : "There is no saved prompt yet: save one under Prompts.";
    const none = Object.assign(document.createElement("li"), { role: "option", className: "muted", textContent });
    none.setAttribute("aria-disabled", "true");
    list.append(none);
  }
  list.hidden = false;
  if (prompts.length) mark(0);
}

async function look() {
  const written = WRITTEN.exec(box.value);
  const mine = ++latest;
  if (!written) return close();
  try {
    const search = written[1].trim();
    const found = await call("GET", `${PATH}?limit=${MOST}${search ? `&search=${encodeURIComponent(search)}` : ""}`);
    if (mine === latest) show(found.results, search);
  } catch {
    if (mine === latest) close(); // the message itself can still be written and sent
  }
}

/** Handle a key while the list is open; return whether it was for the list. */
export function takes(event) {
  if (!isOpen() || event.isComposing) return false;
  if (event.key === "Escape") close();
  else if (!shown.length) return false;
  else if (event.key === "ArrowDown") mark(at + 1);
  else if (event.key === "ArrowUp") mark(at - 1);
  else if (event.key === "Enter" || event.key === "Tab") pick(at);
  else return false;
  event.preventDefault();
  event.stopPropagation();
  return true;
}

box.addEventListener("input", look);
box.addEventListener("blur", close);
list.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays in the message
