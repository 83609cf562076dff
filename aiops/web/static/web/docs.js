// The page of the API: finds calls, and opens what a link leads to.

const find = document.getElementById("find");
const none = document.getElementById("none");

find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll("section.calls")) {
    let shown = 0;
    for (const call of section.querySelectorAll(".call")) {
      const text = call.querySelector("summary").textContent.toLowerCase();
      call.hidden = !words.every((word) => text.includes(word));
      shown += call.hidden ? 0 : 1;
    }
    section.hidden = !shown;
  }
  none.hidden = Boolean(document.querySelector("section.calls:not([hidden])"));
});

function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.matches("details")) {
    target.open = true;
    target.scrollIntoView();
  }
}

window.addEventListener("hashchange", open);
open();
