// Says in one short line what an action did; it disappears by itself.
const SHOWN_MS = 8000;
let hiding = null;

export function done(text) {
  const line = document.getElementById("toast");
  line.textContent = text;
  line.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { line.hidden = true; }, SHOWN_MS);
}
