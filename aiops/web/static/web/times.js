// Shows every <time> in the reader's zone, with the zone on hover; data-ago as an age, kept current,
// data-short briefly. Those with data-zone stay in theirs, and the reader's is on hover.
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const STEPS = [[86400, "d"], [3600, "h"], [60, "min"]];
const AGES_MS = 10000;

const two = (number) => String(number).padStart(2, "0");

function stamp(at) {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

function offset(at) {
  const minutes = -at.getTimezoneOffset();
  const rest = Math.abs(minutes) % 60;
  return minutes ? `UTC${minutes < 0 ? "-" : "+"}${Math.trunc(Math.abs(minutes) / 60)}${rest ? `:${two(rest)}` : ""}` : "UTC";
}

/** A duration as the server writes it: "3 s", "4 min". */
export function span(seconds) {
  for (const [size, unit] of STEPS) if (seconds >= 2 * size) return `${Math.round(seconds / size)} ${unit}`;
  return `${Math.max(Math.round(seconds), 0)} s`;
}

/** Today's time, or the day. */
function short(at) {
  if (at.toDateString() === new Date().toDateString()) return `${two(at.getHours())}:${two(at.getMinutes())}`;
  return stamp(at).slice(at.getFullYear() === new Date().getFullYear() ? 5 : 0, 10);
}

function show(time) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const ago = "ago" in time.dataset;
  const text = "short" in time.dataset ? short(at) : ago ? `${span((Date.now() - at) / 1000)} ago` : stamp(at);
  if (time.textContent !== text && !("zone" in time.dataset)) time.textContent = text;
  time.title = `${stamp(at)}:${two(at.getSeconds())} ${offset(at)} (${ZONE})`;
}

export function showTimes(within = document) {
  within.querySelectorAll("time[datetime]").forEach(show);
}

showTimes();
document.body.addEventListener("htmx:afterSwap", () => showTimes());
setInterval(() => document.querySelectorAll("time[data-ago]").forEach(show), AGES_MS);
