// Code in answers: its language, a button that copies it, and scrolling by keyboard.

const SAID_MS = 1500;

export async function writeClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), { value: text }); // pages on plain HTTP have no clipboard object
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

async function copy(button) {
  await writeClipboard(button.closest(".code").querySelector("pre").textContent);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy code"; }, SAID_MS);
}

/** Add to every block of code within an element what belongs to it; blocks that have it are left alone. */
export function dressCode(within) {
  for (const pre of within.querySelectorAll(".answer pre")) {
    if (pre.parentElement.classList.contains("code")) continue;
    const language = pre.querySelector("code")?.className.match(/language-(\S+)/)?.[1] ?? "";
    const box = Object.assign(document.createElement("div"), { className: "code" });
    const head = Object.assign(document.createElement("div"), { className: "code-head" });
    head.append(Object.assign(document.createElement("span"), { textContent: language }));
    const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Copy code" });
    button.addEventListener("click", () => copy(button));
    head.append(button);
    pre.before(box);
    box.append(head, pre);
    pre.tabIndex = 0;
  }
  for (const table of within.querySelectorAll(".answer table")) if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
}
