// The dialog of a page: a question, perhaps with an answer to type.

/** Ask (`secret`: what is typed is not shown); resolve to true, to the text that was typed if there is a `value` to begin with, or to null. */
export function ask(question, { value, verb = "OK", danger = false, secret = false, leave = "Cancel" } = {}) {
  const dialog = document.getElementById("ask");
  const input = dialog.querySelector("input") ?? (value === undefined ? null : inputOf(dialog));
  const yes = dialog.querySelector(".primary");
  dialog.querySelector("p").textContent = question;
  dialog.returnValue = "";
  if (input) {
    input.hidden = value === undefined;
    input.setAttribute("aria-label", question);
    input.type = secret ? "password" : "text";
    input.value = value ?? "";
  }
  yes.textContent = verb;
  dialog.querySelector("[value='']").textContent = leave;
  yes.classList.toggle("danger", danger);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue !== "yes" ? null : value === undefined ? true : input.value), { once: true });
  });
}

/** Give a dialog something to type into. */
function inputOf(dialog) {
  const input = document.createElement("input");
  input.maxLength = 500;
  dialog.querySelector("p").after(input);
  return input;
}

export const confirmed = async (question) => (await ask(question)) !== null;
