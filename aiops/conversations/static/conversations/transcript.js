// The transcript: its turns, more of them on demand, and where the reader is in it.

import { read } from "../web/api.js";
import { Turn } from "./turn.js";

export const list = document.getElementById("turns");
export const turns = [...list.querySelectorAll(".turn")].map((element) => new Turn(element));
const end = document.querySelector("[data-do=end]");
const NEAR = 160; // pixels

export const running = () => turns.find((turn) => !turn.ended);
export const turnOf = (element) => turns.find((turn) => turn.element.contains(element));

const isAtEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;

/** Keep the end in view, unless the reader has scrolled up. */
export function follow(force = false) {
  if (force || isAtEnd()) list.scrollTop = list.scrollHeight;
}

/** Add a turn at the end. */
export function add(turn) {
  list.querySelector(".welcome")?.remove();
  document.getElementById("expired").hidden = true;
  turns.push(turn);
  list.insertBefore(turn.element, document.getElementById("expired"));
  end.hidden = isAtEnd();
}

/** Remove a turn and all that follow it. */
export function cutFrom(turn) {
  for (const one of turns.splice(turns.indexOf(turn))) one.element.remove();
  list.querySelector(".older:not(:first-child) [data-more*=after]")?.parentElement.remove();
  end.hidden = isAtEnd(); // nothing is scrolled when what is shown becomes short
}

/** Return the elements that the server shows at this path. */
export async function fetched(path) {
  const holder = document.createElement("template");
  holder.innerHTML = await read(path); // a page of ours
  return [...holder.content.children];
}

/** Put the turns that a link leads to in its place. */
async function more(link) {
  const place = link.closest(".older");
  const isOlder = link.dataset.more.includes("before=");
  const elements = await fetched(link.dataset.more);
  const height = list.scrollHeight;
  const top = list.scrollTop;
  place.replaceWith(...elements);
  const added = elements.filter((element) => element.matches(".turn")).map((element) => new Turn(element));
  if (isOlder) turns.unshift(...added); else turns.push(...added);
  list.scrollTop = isOlder ? top + list.scrollHeight - height : top; // what was read stays where it is
}

export const ACTIONS = { end: () => list.scrollTo({ top: list.scrollHeight, behavior: "smooth" }) };

list.addEventListener("scroll", () => { end.hidden = isAtEnd(); }, { passive: true });
list.addEventListener("click", (event) => {
  const link = event.target.closest("[data-more]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  more(link).catch(() => location.assign(link.href));
});
