// When the assistant forgets a conversation: shown in the bar, explained on a click.

import { call } from "../web/api.js";
import { span } from "../web/times.js";
import { running } from "./transcript.js";

const main = document.querySelector("main.chat");
const memory = document.getElementById("memory");
const SOON_MS = 600000;
const two = (number) => String(number).padStart(2, "0");

/** "14:05", or with the day if that is not today. */
function when(at) {
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (at.toDateString() === new Date().toDateString()) return time;
  return `${at.toLocaleDateString("en", { weekday: "short" })} ${time}`;
}

export function tick() {
  const ends = Date.parse(memory.dataset.ends ?? "");
  memory.hidden = Number.isNaN(ends);
  if (memory.hidden) return;
  const left = ends - Date.now();
  const life = span(Number(main.dataset.memoryS));
  memory.querySelector("summary").replaceChildren(
    Object.assign(document.createElement("span"), { textContent: left > 0 ? "Memory until " : "Memory " }),
    left > 0 ? when(new Date(ends)) : "expired",
  );
  memory.classList.toggle("soon", left <= SOON_MS);
  memory.querySelector("p").textContent = left > 0
    ? `Until then the assistant remembers this conversation with all that its tools returned; each answer extends this by ${life}. After that it begins with what you read here.`
    : "The assistant no longer remembers what its tools returned. If you continue, it begins with what you read here.";
  if (left <= 0 && !running()) document.getElementById("expired").hidden = false;
}

/** Restart the time until memory expires, after an answer. */
export async function remembered() {
  const conversation = await call("GET", `/api/conversations/${main.dataset.conversation}/`).catch(() => null);
  const life = Number(main.dataset.memoryS) * 1000;
  if (conversation?.memory_used_at) memory.dataset.ends = new Date(Date.parse(conversation.memory_used_at) + life).toISOString();
  tick();
}

setInterval(tick, 15000);
