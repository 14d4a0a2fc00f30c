// A click, or Tab and Enter, on a row, mark, line or name draws that run or arm strongly, or no longer. At most as many
// at once as there are colours: where all are taken, the one that was chosen longest ago makes room.
"use strict";
const sheet = document.getElementById("strong"), rule = sheet.dataset.rule;
const slots = JSON.parse(sheet.dataset.slots), chosen = slots.map((_, slot) => -slot);
let now = 0;
const numberOf = (one) => Number(/(?:^| )run(\d+)/.exec(one.getAttribute("class"))[1]);
const LINES = "path.arm, path.mean, path.loss", SOME = ":is(tr, g, path, .chip)[class*=run]:not(.run-1)";

function show() {
  sheet.textContent = slots.map((one, slot) => (one === null ? "" : `.run${one}{${rule.replaceAll("SLOT", slot)}}`)).join("\n");
  const focused = document.activeElement, strong = slots.filter((one) => one !== null).map((one) => `.run${one}`).join();
  for (const one of document.querySelectorAll(".pick [aria-pressed]")) one.setAttribute("aria-pressed", slots.includes(numberOf(one)));
  // what is drawn last lies above the rest
  for (const drawing of strong ? document.querySelectorAll(".pick svg:not(.chip *)") : [])
    for (const kind of ["path", "g:not(.named)", "g.named"]) drawing.append(...[...drawing.children].filter((one) => one.matches(kind) && one.matches(strong)));
  focused.focus({ preventScroll: true });
}

function choose(one) {
  let slot = slots.indexOf(one);
  if (slot >= 0) slots[slot] = null;
  else {
    slot = slots.includes(null) ? slots.indexOf(null) : chosen.indexOf(Math.min(...chosen));
    slots[slot] = one;
    chosen[slot] = ++now;
  }
  show();
}

for (const drawing of document.querySelectorAll(".pick svg:not(.chip *)")) {
  const lines = drawing.querySelectorAll(LINES);
  for (const one of lines.length ? lines : drawing.querySelectorAll("g.large")) one.dataset.stop = "";
  // thin lines and small marks are hard to hit
  for (const line of lines) {
    const wide = line.cloneNode(true);
    wide.setAttribute("class", `hit run${numberOf(line)}`);
    delete wide.dataset.stop;
    line.before(wide);
  }
  for (const mark of drawing.querySelectorAll("g:not(.run-1) > .mark")) {
    const wide = document.createElementNS(mark.namespaceURI, "circle"), at = mark.getPointAtLength(0);
    for (const [name, value] of [["class", "hit"], ["cx", at.x], ["cy", at.y], ["r", 8]]) wide.setAttribute(name, value);
    mark.before(wide);
  }
}
for (const one of document.querySelectorAll(".pick [data-stop], .pick th .chip")) {
  one.setAttribute("role", "button");
  one.setAttribute("tabindex", "0");
  one.setAttribute("aria-pressed", slots.includes(numberOf(one)));
}
for (const one of document.querySelectorAll(".how")) one.hidden = false;
document.body.classList.add("chooses");
document.addEventListener("click", (event) => {
  const one = event.target.closest(".pick") && event.target.closest(SOME);
  if (one && getSelection().isCollapsed) choose(numberOf(one));
});
document.addEventListener("keydown", (event) => {
  if (!event.target.matches(".pick [aria-pressed]") || (event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  choose(numberOf(event.target));
});
