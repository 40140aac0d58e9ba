// The page's elements: made, and changed only where they differ. Data goes in as text, never as markup.

export const byId = (id) => document.getElementById(id);

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function element(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

/** Makes the list's children those of the items, in their order; kept ones are changed in place. */
export function fill(list, items, keyOf, make, update) {
  const known = new Map();
  for (const node of [...list.children]) {
    // Two of one name: the second is made anew.
    if (known.has(node.dataset.key)) node.remove();
    else known.set(node.dataset.key, node);
  }
  let next = list.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = known.get(key);
    known.delete(key);
    if (node === undefined) {
      node = make(item);
      node.dataset.key = key;
    }
    update(node, item);
    if (node === next) next = next.nextElementSibling;
    else list.insertBefore(node, next);
  }
  for (const node of known.values()) node.remove();
}

// State signs: never colour alone.
const SVG = "http://www.w3.org/2000/svg";
const SIGNS = {
  rendering: "M5 3.5v9l7.5-4.5z",
  idle: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3zm0 2a3 3 0 1 1 0 6 3 3 0 0 1 0-6z",
  starting: "M8 2v2.2A3.8 3.8 0 1 1 4.2 8H2a6 6 0 1 0 6-6z",
  draining: "M7 2h2v6h3l-4 5-4-5h3z",
  stopping: "M4 4h8v8H4z",
  lost: "M4.2 3 8 6.8 11.8 3 13 4.2 9.2 8l3.8 3.8-1.2 1.2L8 9.2 4.2 13 3 11.8 6.8 8 3 4.2z",
  failing: "M8 1.5 15 14H1zM7.2 6v4h1.6V6zm0 5v1.6h1.6V11z",
  up: "M8 3.5 13.5 12h-11z",
  down: "M8 12.5 2.5 4h11z",
  same: "M3 7h10v2H3z",
  info: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm-.9 3h1.8v1.7H7.1zm0 2.7h1.8v4.3H7.1z",
};
SIGNS.drained = SIGNS.draining;
SIGNS.leaving = SIGNS.stopping;
SIGNS.refused = SIGNS.failing;
SIGNS.error = SIGNS.lost;
SIGNS.warn = SIGNS.failing;
SIGNS.bad = SIGNS.failing;

export function sign() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "sign");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

export function setSign(svg, name) {
  setAttribute(svg.firstElementChild, "d", SIGNS[name] ?? SIGNS.info);
}
