"use strict";
// The page itself: theme, contents, folded sections, wide tables, pictures that open larger, printing.
const root = document.documentElement;
const read = (element) => JSON.parse(element.textContent);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
function make(tag, name, ...content) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...content);
  return element;
}

// ---- theme
const dark = () => getComputedStyle(root).colorScheme === "dark";
const themeChanged = []; // what has to be drawn anew
function setTheme(name) {
  if (name) root.dataset.theme = name; else delete root.dataset.theme;
  for (const action of themeChanged) action();
}
document.getElementById("theme").onclick = () => setTheme(dark() ? "light" : "dark");

// ---- contents: the section that is read is marked; a link opens what is folded
const links = new Map(all("#contents a").map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
const inSight = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) inSight[isIntersecting ? "add" : "delete"](target.id);
  const current = [...links.keys()].find((id) => inSight.has(id));
  if (current === undefined) return;
  for (const [id, link] of links) {
    if (id !== current) link.removeAttribute("aria-current");
    else if (!link.hasAttribute("aria-current")) {
      link.setAttribute("aria-current", "true");
      const list = link.closest("ul"); // the list scrolls, never the page
      list.scrollTo({ left: link.offsetLeft - 40, top: link.offsetTop - 80 });
    }
  }
}, { rootMargin: "-15% 0px -60% 0px" });
for (const id of links.keys()) watcher.observe(document.getElementById(id));
function unfold() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (const fold of [target.querySelector(":scope > .fold"), target.closest("details")]) if (fold) fold.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", unfold);
for (const link of links.values()) link.addEventListener("click", () => setTimeout(unfold));
unfold();

// ---- tables wider than the page: one can see so, and scroll them with the keyboard
const sizes = new ResizeObserver((entries) => requestAnimationFrame(() => entries.forEach(({ target }) => {
  const more = target.scrollWidth > target.clientWidth + 1;
  target.classList.toggle("scrolls", more);
  if (!more) return ["tabindex", "role", "aria-label"].forEach((name) => target.removeAttribute(name));
  target.tabIndex = 0;
  target.setAttribute("role", "region");
  const section = target.closest("section") ?? document, title = section.querySelector("h2")?.textContent ?? "report";
  target.setAttribute("aria-label", `${title}: table ${1 + all(".table", section).indexOf(target)}, scrolls sideways`);
})));
for (const table of all(".table")) sizes.observe(table);

// ---- a picture, larger
const viewer = make("dialog", "", make("div", "large"), make("p", "told"), make("div", "beside"));
viewer.id = "viewer";
viewer.setAttribute("aria-label", "The image, larger");
const close = make("button", "close", "Close");
close.type = "button";
close.onclick = () => viewer.close();
viewer.append(close);
viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());
document.querySelector("main").append(viewer);
const whenOpened = []; // functions of the card and the element beside the picture, for what more there is to show
function openCard(card) {
  viewer.querySelector(".large").replaceChildren(...all(".image", card).map((image) => image.cloneNode(true)));
  viewer.querySelector(".told").replaceChildren(...all(".told", card).map((told) => told.cloneNode(true)));
  viewer.querySelector(".beside").replaceChildren();
  for (const action of whenOpened) action(card, viewer.querySelector(".beside"));
  viewer.showModal();
}
document.addEventListener("click", (event) => {
  const card = event.target.closest?.("button.card");
  if (card) openCard(card);
});

// ---- printing: everything open, on white
let before = null; // what the page was like
addEventListener("beforeprint", () => {
  if (before) return;
  before = { theme: root.dataset.theme, folded: all("details:not([open])") };
  for (const fold of before.folded) fold.open = true;
  for (const action of drawNow) action();
  setTheme("light");
});
addEventListener("afterprint", () => {
  if (!before) return;
  for (const fold of before.folded) fold.open = false;
  setTheme(before.theme);
  before = null;
});
const drawNow = new Set(); // charts that are not drawn yet
