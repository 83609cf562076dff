// The frame of all pages: applies the chosen theme and the sidebar's state before the first paint, and changes them.
const root = document.documentElement;
const NARROW = matchMedia("(max-width: 760px)"); // as in app.css

function applyTheme(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme; // the system's
}

applyTheme(localStorage.getItem("theme"));
if (localStorage.getItem("sidebar") === "closed") root.dataset.sidebar = "closed";

/** On narrow screens the sidebar is a drawer that covers the page; on wide ones it stays as it was left. */
function showSidebar(shown) {
  if (NARROW.matches) {
    document.body.classList.toggle("with-sidebar", shown);
  } else if (shown) {
    delete root.dataset.sidebar;
    localStorage.removeItem("sidebar");
  } else {
    root.dataset.sidebar = "closed";
    localStorage.setItem("sidebar", "closed");
  }
}

const sidebarIsShown = () => (NARROW.matches ? document.body.classList.contains("with-sidebar") : root.dataset.sidebar !== "closed");

document.addEventListener("DOMContentLoaded", () => {
  const theme = document.querySelector("select[data-do=theme]");
  if (theme) theme.value = localStorage.getItem("theme") ?? "";
});
document.addEventListener("change", (event) => {
  if (!event.target.matches("select[data-do=theme]")) return;
  localStorage.setItem("theme", event.target.value);
  applyTheme(event.target.value);
});
document.addEventListener("click", (event) => {
  if (event.target.closest("button[data-do=sidebar]")) showSidebar(!sidebarIsShown());
  else if (NARROW.matches && !event.target.closest(".sidebar")) showSidebar(false);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && NARROW.matches) showSidebar(false);
  const search = document.querySelector(".sidebar [type=search]");
  if (search && (event.ctrlKey || event.metaKey) && event.key === "k") {
    event.preventDefault();
    showSidebar(true);
    search.focus();
  }
});
