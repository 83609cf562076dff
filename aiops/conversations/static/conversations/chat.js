// The chat page: the composer, the stream of answers, and keys.

import { call, Unreachable } from "../web/api.js";
import * as attaching from "./attaching.js";
import { Live } from "./live.js";
import { remembered, tick } from "./memory.js";
import * as menu from "./menu.js";
import * as picking from "./picking.js";
import { attempt, complain, failed } from "./problems.js";
import * as transcript from "./transcript.js";
import { add, follow, running, turnOf, turns } from "./transcript.js";
import { Turn, copyAnswer } from "./turn.js";
import * as versions from "./versions.js";

const main = document.querySelector("main.chat");
const form = document.getElementById("composer");
const box = form.elements.message;
const LOST = "The connection is lost; trying to connect again…";
const OFFLINE = "You are offline.";
let pending = null; // what may have been taken without our knowing: sent again as it was, with the same key

const live = new Live({
  turns: () => turns,
  changed: (turn) => { refresh(); if (turn.ended) remembered(); follow(); },
  connection: (up) => (up ? recovered(LOST) : banner(LOST)),
});

function banner(text) {
  const line = document.getElementById("banner");
  line.textContent = text;
  line.hidden = !text;
}

/** Remove a banner, if it is still the one shown. */
function recovered(text) {
  if (document.getElementById("banner").textContent === text) banner("");
}

function refresh() {
  const unfinished = turns.filter((turn) => !turn.ended);
  const busy = unfinished.length > 0;
  unfinished.slice(1).forEach((turn, n) => turn.say(`Waiting behind ${n + 1} of yours…`));
  const stop = form.querySelector("[data-do=stop]");
  if (!busy && document.activeElement === stop) box.focus(); // a hidden button would leave the focus nowhere
  stop.hidden = !busy;
  form.elements.on_busy.hidden = !busy;
}

function fit() {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 220)}px`;
}

async function send(message) {
  if (form.classList.contains("sending")) return; // a double click asks once
  const bytes = new TextEncoder().encode(message).length;
  const most = Number(box.dataset.maxBytes);
  if (bytes > most) return complain(`This message has ${bytes} bytes; the most is ${most}.`);
  if (attaching.uploading()) return complain("A file is still being uploaded: send when it is there.");
  const attachments = attaching.attachments();
  const ids = attachments.map((file) => file.id);
  const model = form.elements.model?.value;
  if (pending?.body.message !== message || String(pending.body.attachments ?? []) !== String(ids) || (pending.body.model ?? "") !== (model ?? "")) {
    const body = { message };
    if (model) body.model = model;
    if (ids.length) body.attachments = ids;
    if (main.dataset.conversation) body.conversation = main.dataset.conversation;
    if (running()) body.on_busy = form.elements.on_busy.value;
    pending = { body, key: crypto.randomUUID?.() ?? String(Math.random()) };
  }
  const { body, key } = pending;
  const replaced = body.on_busy === "rollback" ? turns.filter((turn) => !turn.ended) : []; // they may end before the answer comes
  form.classList.add("sending");
  try {
    const accepted = await call("POST", "/api/chat/", body, { "Idempotency-Key": key });
    pending = null;
    complain("");
    if (box.value === message) box.value = ""; // what was typed meanwhile stays
    attaching.clear();
    fit();
    for (const turn of replaced) { turn.end("cancelled"); turn.element.remove(); }
    shown(accepted, body, attachments);
  } catch (error) {
    if (error.status >= 400 && error.status < 500) pending = null; // refused, so surely not taken
    const wait = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
    failed(error, error instanceof Unreachable ? "The server cannot be reached. Your text is kept: try again when it is back." : error.message + wait);
  } finally {
    form.classList.remove("sending");
  }
}

function shown(accepted, body, attachments) {
  const turn = Turn.make(accepted, body.message, attachments);
  add(turn);
  turn.say("Sending…");
  if (!main.dataset.conversation) {
    main.dataset.conversation = accepted.conversation;
    history.pushState(null, "", `/c/${accepted.conversation}/`);
    address = location.pathname;
    menu.entitle(body.message.slice(0, 80));
    menu.offer();
    document.body.dispatchEvent(new Event("conversations-changed"));
  }
  refresh();
  live.follow();
  follow(true);
}

const DAY_MS = 86400000;

/** Name the days of the reader's zone between the conversations. */
function nameDays() {
  const list = document.getElementById("conversations");
  list.querySelectorAll(".day").forEach((heading) => heading.remove());
  const today = new Date().setHours(0, 0, 0, 0);
  let last = "";
  for (const time of list.querySelectorAll("li:not(.pinned) time")) {
    const days = Math.ceil((today - new Date(time.dateTime)) / DAY_MS);
    const name = days <= 0 ? "Today" : days === 1 ? "Yesterday" : days < 7 ? "This week" : days < 31 ? "This month" : "Earlier";
    if (name === last) continue;
    time.closest("li").before(Object.assign(document.createElement("li"), { className: "day muted", textContent: name }));
    last = name;
  }
}

let address = location.pathname;
const ACTIONS = {
  stop: async () => { const turn = running(); if (turn) { turn.say("Stopping…"); await call("POST", `/api/runs/${turn.run}/cancel/`); } },
  copy: async (button) => { await copyAnswer(turnOf(button)); button.textContent = "Copied"; setTimeout(() => { button.textContent = "Copy"; }, 1500); },
  "go-on": () => { document.getElementById("expired").hidden = true; box.focus(); },
  ...attaching.ACTIONS,
  ...menu.ACTIONS,
  ...transcript.ACTIONS,
  ...versions.ACTIONS,
};

document.addEventListener("click", (event) => {
  const starter = event.target.closest("[data-ask]");
  if (starter) return send(starter.dataset.ask);
  const button = event.target.closest("[data-do]");
  if (!event.target.closest("details.more")) menu.close();
  const act = ACTIONS[button?.dataset.do];
  if (!act) return;
  menu.close();
  attempt(() => act(button));
});
document.addEventListener("asked", () => { refresh(); live.follow(); });
form.addEventListener("submit", (event) => { event.preventDefault(); if (box.value.trim()) send(box.value); });
box.addEventListener("input", fit);
attaching.accept(box, complain);
// Safari sends the Enter that ends a composition (of Japanese, say) after it, with this key code.
const composes = (event) => event.isComposing || event.keyCode === 229;
box.addEventListener("keydown", (event) => {
  if (picking.takes(event)) return;
  if (event.key === "Enter" && !event.shiftKey && !composes(event)) { event.preventDefault(); form.requestSubmit(); }
});
document.addEventListener("keydown", (event) => {
  if (composes(event)) return;
  if (event.key === "Escape") menu.close();
  if (event.key === "Escape" && event.target.type === "search") { box.focus(); return; }
  if (event.key === "Escape" && !document.querySelector("dialog[open]") && running()) attempt(ACTIONS.stop);
});
document.body.addEventListener("htmx:afterSwap", () => {
  nameDays();
  document.querySelector(`#conversations a[data-conversation="${main.dataset.conversation}"]`)?.setAttribute("aria-current", "page");
});
window.addEventListener("popstate", () => { if (location.pathname !== address) location.reload(); }); // not for #message
window.addEventListener("offline", () => banner(OFFLINE));
window.addEventListener("online", () => recovered(OFFLINE));

/** Show messages sent from another window or device, or that the conversation was deleted. */
async function catchUp() {
  if (document.hidden || !main.dataset.conversation || location.search || form.classList.contains("sending") || versions.changing()) return;
  const newest = await call("GET", `/api/runs/?conversation=${main.dataset.conversation}&limit=1`).catch(() => null);
  if (!newest) return;
  const run = newest.results[0]?.id;
  if (run && !turns.some((turn) => turn.run === run) && !form.classList.contains("sending") && !versions.changing()) return location.reload();
  if (!run && turns.length) banner("This conversation was deleted.");
}
document.addEventListener("visibilitychange", catchUp);
setInterval(catchUp, 10000);

/** Keep a draft across a reload and a sign-in. */
const draft = () => `draft:${location.pathname}`;
window.addEventListener("pagehide", () => sessionStorage.setItem(draft(), box.value));
if (!box.value) box.value = sessionStorage.getItem(draft()) ?? "";
fit();

tick();
nameDays();
refresh();
live.follow();
const hit = location.hash.startsWith("#turn-") && document.getElementById(location.hash.slice(1));
if (hit) hit.scrollIntoView({ block: "center" });
else if (turns.length) follow(true);
