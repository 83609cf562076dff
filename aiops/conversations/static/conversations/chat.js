// The chat page: composer, stop and retry, the conversation's menu, memory's end, and keys.

import { call, explain, Unreachable } from "../web/api.js";
import { Live } from "./live.js";
import { Turn, copyAnswer } from "./turn.js";

const main = document.querySelector("main.chat");
const list = document.getElementById("turns");
const form = document.getElementById("composer");
const box = form.elements.message;
const problem = document.getElementById("composer-problem");
const turns = [...list.querySelectorAll(".turn")].map((element) => new Turn(element));
const LOST = "The connection is lost; trying to connect again…";
const OFFLINE = "You are offline.";
let pending = null; // what may have been taken without our knowing: sent again as it was, with the same key

const live = new Live({
  turns: () => turns,
  changed: (turn) => { refresh(); if (turn.ended) remembered(turn); follow(); },
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

function running() { return turns.find((turn) => !turn.ended); }

function refresh() {
  const unfinished = turns.filter((turn) => !turn.ended);
  const busy = unfinished.length > 0;
  unfinished.slice(1).forEach((turn, n) => turn.say(`Waiting behind ${n + 1} of yours…`));
  form.querySelector("[data-do=stop]").hidden = !busy;
  form.elements.on_busy.hidden = !busy;
}

/** Keep the end in view, unless the reader has scrolled up. */
function follow(force = false) {
  if (force || list.scrollHeight - list.scrollTop - list.clientHeight < 160) list.scrollTop = list.scrollHeight;
}

function fit() {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 220)}px`;
}

function complain(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

async function send(message) {
  if (form.classList.contains("sending")) return; // a double click asks once
  const bytes = new TextEncoder().encode(message).length;
  const most = Number(box.dataset.maxBytes);
  if (bytes > most) return complain(`This message has ${bytes} bytes; the most is ${most}.`);
  if (pending?.body.message !== message) {
    const body = { message };
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
    fit();
    for (const turn of replaced) { turn.end("cancelled"); turn.element.remove(); }
    shown(accepted, body);
  } catch (error) {
    if (error.status >= 400 && error.status < 500) pending = null; // refused, so surely not taken
    const wait = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
    explain(problem, error, error instanceof Unreachable ? "The server cannot be reached. Your text is kept: try again when it is back." : error.message + wait);
  } finally {
    form.classList.remove("sending");
  }
}

function shown(accepted, body) {
  list.querySelector(".welcome")?.remove();
  document.getElementById("expired").hidden = true;
  const turn = Turn.make(accepted.run.id, body.message);
  turns.push(turn);
  list.insertBefore(turn.element, document.getElementById("expired"));
  turn.say("Sending…");
  if (!main.dataset.conversation) {
    main.dataset.conversation = accepted.conversation;
    history.pushState(null, "", `/c/${accepted.conversation}/`);
    address = location.pathname;
    entitle(body.message.slice(0, 80));
    document.querySelector("details.more").hidden = false;
    document.body.dispatchEvent(new Event("conversations-changed"));
  }
  refresh();
  live.follow();
  follow(true);
}

function entitle(title) {
  document.querySelector(".bar h1").textContent = title;
  document.title = `${title} · aiops`;
}

const DAY_MS = 86400000;

/** Name the days of the reader's zone between the conversations. */
function nameDays() {
  const list = document.getElementById("conversations");
  list.querySelectorAll(".day").forEach((heading) => heading.remove());
  const today = new Date().setHours(0, 0, 0, 0);
  let last = "";
  for (const time of list.querySelectorAll("time")) {
    const days = Math.ceil((today - new Date(time.dateTime)) / DAY_MS);
    const name = days <= 0 ? "Today" : days === 1 ? "Yesterday" : days < 7 ? "This week" : days < 31 ? "This month" : "Earlier";
    if (name === last) continue;
    time.closest("li").before(Object.assign(document.createElement("li"), { className: "day muted", textContent: name }));
    last = name;
  }
}

/** Restart the time until memory expires, after an answer. */
async function remembered(turn) {
  const conversation = await call("GET", `/api/conversations/${main.dataset.conversation}/`).catch(() => null);
  const life = Number(main.dataset.memoryS) * 1000;
  if (conversation?.memory_used_at) memory.dataset.ends = new Date(Date.parse(conversation.memory_used_at) + life).toISOString();
  tick();
}

const memory = document.querySelector(".memory");
function tick() {
  const ends = Date.parse(memory.dataset.ends ?? "");
  if (Number.isNaN(ends)) { memory.textContent = ""; return; }
  const minutes = Math.ceil((ends - Date.now()) / 60000);
  memory.textContent = minutes > 120 ? `Remembered for ${Math.round(minutes / 60)} h` : minutes > 0 ? `Remembered for ${minutes} min` : "Memory expired";
  memory.classList.toggle("soon", minutes <= 10);
  memory.title = `The assistant remembers this conversation until ${new Date(ends).toLocaleString()}, and each answer extends this`;
  if (minutes <= 0 && !running()) document.getElementById("expired").hidden = false;
}

function ask(text, { value, verb = "OK", danger = false } = {}) {
  const dialog = document.getElementById("ask");
  const input = dialog.querySelector("input");
  dialog.querySelector("p").textContent = text;
  dialog.returnValue = "";
  input.hidden = value === undefined;
  input.value = value ?? "";
  dialog.querySelector(".primary").textContent = verb;
  dialog.querySelector(".primary").classList.toggle("danger", danger);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue ? input.value || true : null), { once: true });
  });
}

let address = location.pathname;
const here = () => `/api/conversations/${main.dataset.conversation}/`;
const ACTIONS = {
  stop: async () => { const turn = running(); if (turn) { turn.say("Stopping…"); await call("POST", `/api/runs/${turn.run}/cancel/`); } },
  copy: async (button) => { await copyAnswer(turnOf(button)); button.textContent = "Copied"; setTimeout(() => { button.textContent = "Copy"; }, 1500); },
  retry: (button) => send(turnOf(button).question),
  "go-on": () => { document.getElementById("expired").hidden = true; box.focus(); },
  rename: async () => {
    const title = await ask("Title", { value: document.querySelector(".bar h1").textContent, verb: "Rename" });
    if (typeof title !== "string") return;
    await call("PATCH", here(), { title });
    entitle(title);
    document.body.dispatchEvent(new Event("conversations-changed"));
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
const turnOf = (button) => turns.find((turn) => turn.element.contains(button));

document.addEventListener("click", async (event) => {
  const starter = event.target.closest("[data-ask]");
  if (starter) return send(starter.dataset.ask);
  const button = event.target.closest("[data-do]");
  if (!event.target.closest("details.more")) document.querySelector("details.more").open = false;
  const act = ACTIONS[button?.dataset.do];
  if (!act) return;
  complain("");
  document.querySelector("details.more").open = false;
  try { await act(button); } catch (error) { explain(problem, error); }
});
form.addEventListener("submit", (event) => { event.preventDefault(); if (box.value.trim()) send(box.value); });
box.addEventListener("input", fit);
// Safari sends the Enter that ends a composition (of Japanese, say) after it, with this key code.
const composes = (event) => event.isComposing || event.keyCode === 229;
box.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !composes(event)) { event.preventDefault(); form.requestSubmit(); }
});
document.addEventListener("keydown", (event) => {
  if (composes(event)) return;
  if (event.key === "Escape") document.querySelector("details.more").open = false;
  if (event.key === "Escape" && event.target.type === "search") { box.focus(); return; }
  if (event.key === "Escape" && !document.querySelector("dialog[open]") && running()) ACTIONS.stop().catch((error) => explain(problem, error));
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
  if (document.hidden || !main.dataset.conversation || location.search || form.classList.contains("sending")) return;
  const newest = await call("GET", `/api/runs/?conversation=${main.dataset.conversation}&limit=1`).catch(() => null);
  if (!newest) return;
  const run = newest.results[0]?.id;
  if (run && !turns.some((turn) => turn.run === run) && !form.classList.contains("sending")) return location.reload();
  if (!run && turns.length) banner("This conversation was deleted.");
}
document.addEventListener("visibilitychange", catchUp);
setInterval(catchUp, 10000);

/** Keep a draft across a reload and a sign-in. */
const draft = () => `draft:${location.pathname}`;
window.addEventListener("pagehide", () => sessionStorage.setItem(draft(), box.value));
if (!box.value) box.value = sessionStorage.getItem(draft()) ?? "";
fit();

setInterval(tick, 15000);
tick();
nameDays();
refresh();
live.follow();
const hit = location.hash.startsWith("#turn-") && document.getElementById(location.hash.slice(1));
if (hit) hit.scrollIntoView({ block: "center" });
else follow(true);
