// One batch: follows its progress and updates figures, actions and items.

import { call, explain } from "../web/api.js";
import { confirmed } from "../web/ask.js";

const panel = document.getElementById("batch");
const id = panel.dataset.id;
const path = `/api/batches/${id}/`;
const part = (name) => document.getElementById(name);
const ENDED = ["completed", "failed", "expired", "cancelled"];
const NAMES = { in_progress: "In progress" };
const TABLE_MS = 2000;
const RETRY_MS = 2000;
let first = null; // the rate is counted from here
let shownDone = null;
let waiting = null;

function show(batch) {
  const c = batch.counts;
  const done = c.total - c.pending - c.running;
  const bad = c.failed + c.cancelled + c.expired + c.invalid;
  const ended = ENDED.includes(batch.state);
  const now = performance.now();
  if (!first || done < first.done) first = { at: now, done };
  const rate = now - first.at > 1000 ? ((done - first.done) * 1000) / (now - first.at) : 0;
  part("state").dataset.state = batch.state;
  part("state").textContent = NAMES[batch.state] ?? batch.state[0].toUpperCase() + batch.state.slice(1);
  part("bar").dataset.state = batch.state;
  part("bar").max = c.total || 1;
  part("bar").value = done;
  part("done").textContent = `${done.toLocaleString()} of ${c.total.toLocaleString()}`;
  part("succeeded").textContent = c.succeeded.toLocaleString();
  part("bad").textContent = bad.toLocaleString();
  part("running").textContent = ended ? "–" : c.running.toLocaleString();
  part("rate").textContent = ended || !rate ? "–" : `${rate.toFixed(1)} a second`;
  part("left").textContent = ended || !rate ? "–" : span((c.total - done) / rate);
  part("tokens").textContent = (batch.usage.input_tokens + batch.usage.output_tokens).toLocaleString();
  part("cost").textContent = batch.usage.cost === null ? "–" : `${Number(batch.usage.cost)} ${part("cost").dataset.currency}`;
  part("batch-problem").hidden = !batch.error;
  part("batch-problem").textContent = batch.error?.detail ?? "";
  for (const form of ["results", "results-csv", "results-openai"]) part(form).hidden = !c.succeeded;
  part("errors").hidden = !bad;
  action("cancel", ["validating", "in_progress"].includes(batch.state));
  action("retry", ended && c.failed > 0);
  action("resume", ended && c.cancelled + c.expired > 0 && Boolean(batch.timings.in_progress));
  action("delete", ended);
  if (shownDone !== null && shownDone !== `${done} ${batch.state}`) refresh();
  shownDone = `${done} ${batch.state}`;
}

const action = (name, possible) => (panel.querySelector(`[data-act=${name}]`).hidden = !possible);

function span(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Load the lines again, at most every two seconds. */
function refresh() {
  waiting ??= setTimeout(() => {
    waiting = null;
    document.body.dispatchEvent(new Event("batch-changed"));
  }, TABLE_MS);
}

function say(text) {
  part("batch-problem").hidden = false;
  part("batch-problem").textContent = text;
}

function follow() {
  const source = new EventSource(`${path}events/`);
  source.addEventListener("batch.progress", (event) => show(JSON.parse(event.data)));
  source.addEventListener("batch.ended", (event) => {
    show(JSON.parse(event.data));
    source.close();
    refresh();
  });
  source.onerror = async () => {
    say("The connection is lost; reconnecting…"); // the next progress hides it
    if (source.readyState !== EventSource.CLOSED) return;
    const failed = await call("GET", path).then(() => null, (error) => error);
    if (failed?.status === 404) return say("This batch was deleted.");
    setTimeout(follow, RETRY_MS);
  };
}

panel.addEventListener("click", async (event) => {
  const what = event.target.dataset?.act;
  if (!what) return;
  if (what === "delete" && !(await confirmed("Delete this batch with all its answers?"))) return;
  event.target.disabled = true;
  try {
    if (what === "delete") {
      await call("DELETE", path);
      return location.assign("/batches/");
    }
    await call("POST", `${path}${what}/`);
    first = null;
    if (what !== "cancel") follow();
  } catch (error) {
    explain(part("batch-problem"), error);
  } finally {
    event.target.disabled = false;
  }
});

part("filter").addEventListener("change", (event) => location.assign(`?state=${event.target.value}`));
follow();
