// Elements, and numbers as text. What a page says is set as text only, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "polyline", "line", "rect", "text", "circle", "title"]);

// An element with attributes, listeners (onclick) and children; text among these stays text.
export function el(tag, attributes = {}, ...children) {
  const isSvg = SVG_TAGS.has(tag);
  const element = isSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function button(words, action, more = {}) {
  return el("button", { type: "button", onclick: action, ...more }, words);
}

const FOCUSED = "button, a, input, select, summary, [tabindex]";

// Make the inside of an element anew; what had the focus in it has it again, if it is still there.
export function rebuilt(element, ...children) {
  const reachable = () => [...element.querySelectorAll(FOCUSED)];
  const place = reachable().indexOf(document.activeElement);
  const words = (each) => each && `${each.tagName} ${each.textContent}`;
  const held = place >= 0 ? words(document.activeElement) : "";
  element.replaceChildren(...children);
  if (place >= 0 && words(reachable()[place]) === held) reachable()[place].focus({ preventScroll: true });
}

// How to read something, to be opened.
export function guide(words) {
  return el("details", { class: "guide" }, el("summary", {}, "How to read this"), el("p", {}, words));
}

export const dash = "–";
const EXACT = 1e-9;

export const count = (value) => value.toLocaleString("en-US");
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

// A share in percent. What is not all is never written as all, nor a little as nothing.
export function percent(share) {
  if (share === null || Number.isNaN(share)) return dash;
  const written = (100 * share).toFixed(1);
  if (share > EXACT && Number(written) === 0) return "<0.1%";
  if (share < 1 - EXACT && Number(written) === 100) return ">99.9%";
  return `${written.replace(/\.0$/, "")}%`;
}

// A score or a share with three decimals, likewise.
export function figure(value) {
  if (value === null || Number.isNaN(value)) return dash;
  const written = (Math.abs(value) > EXACT ? value : 0).toFixed(3);
  if (value < 1 - EXACT && Number(written) === 1) return ">0.999";
  if (Math.abs(value) > EXACT && Number(written) === 0) return value > 0 ? "<0.001" : ">-0.001";
  return written;
}

export function scoreText(words, value) {
  if (value === null || value === undefined) return dash;
  return words.is_count ? count(Math.round(value)) : figure(value);
}

// A number of any size, with four digits that count.
export function amount(value) {
  if (value === null || value === undefined) return dash;
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

export const clusterName = (cluster, none) => (cluster >= none ? "noise" : String(cluster));
export const clusterWords = (cluster, none) => (cluster >= none ? "noise" : `cluster ${cluster}`);

// Black or white, whichever is easier to read on a colour.
export function inkOn(colour) {
  const parts = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255);
  const [r, g, b] = parts.map((p) => (p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4));
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return (light + 0.05) ** 2 > 0.05 * 1.05 ? "#000000" : "#ffffff";
}

// `levels` colours from the first to the last of a few.
export function ramp(colours, levels) {
  const stops = colours.map((c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16)));
  return Array.from({ length: levels }, (_, level) => {
    const at = (level / (levels - 1)) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    const mixed = stops[low].map((part, i) => part + (stops[low + 1][i] - part) * (at - low));
    return `#${mixed.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
  });
}
