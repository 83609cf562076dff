// The conversation's menu: rename, pin, share, save, clear memory, delete.

import { call } from "../web/api.js";
import { ask } from "../web/ask.js";
import { done } from "../web/done.js";
import { writeClipboard } from "../web/code.js";

const main = document.querySelector("main.chat");
const menu = document.querySelector("details.more");
const SHARED = "All who can sign in and have the link can read this conversation as it is now, with what its tools returned. They cannot read what comes later.";

const here = () => `/api/conversations/${main.dataset.conversation}/`;
const listChanged = () => document.body.dispatchEvent(new Event("conversations-changed"));

export function entitle(title) {
  document.querySelector(".bar h1").textContent = title;
  document.title = `${title} · aiops`;
}

/** Show the menu, now that the page has a conversation. */
export function offer() {
  menu.hidden = !main.dataset.conversation;
  for (const link of menu.querySelectorAll("[data-export]")) link.href = `${here()}export/?as=${link.dataset.export}`;
}

export function close() { menu.open = false; }

export const ACTIONS = {
  rename: async () => {
    const title = await ask("Title", { value: document.querySelector(".bar h1").textContent, verb: "Rename" });
    if (title === null) return;
    await call("PATCH", here(), { title });
    entitle(title);
    listChanged();
  },
  pin: async (button) => {
    const { pinned } = await call("PATCH", here(), { pinned: button.getAttribute("aria-pressed") !== "true" });
    button.setAttribute("aria-pressed", String(pinned));
    button.textContent = pinned ? "Unpin" : "Pin";
    listChanged();
  },
  share: async () => {
    if (!await ask(SHARED, { verb: "Make the link" })) return;
    const { url } = await call("POST", `${here()}share/`);
    menu.querySelector("[data-do=unshare]").hidden = false;
    if (await ask("The link of this conversation:", { value: url, verb: "Copy", leave: "Close" }) === null) return;
    await writeClipboard(url);
    done("The link is copied.");
  },
  unshare: async (button) => {
    await call("DELETE", `${here()}share/`);
    button.hidden = true;
    done("The link no longer works.");
  },
  clear: async () => {
    if (!await ask("The assistant will forget this conversation. What you read here stays.", { verb: "Clear memory" })) return;
    await call("POST", `${here()}clear/`);
    location.reload();
  },
  delete: async () => {
    if (!await ask("Delete this conversation with everything in it?", { verb: "Delete", danger: true })) return;
    await call("DELETE", here());
    location.assign("/");
  },
};
offer();
