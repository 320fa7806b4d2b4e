// The page: what is shown of it, its keys, its address, and the parts that follow.

import { load, placeOf } from "./data.js";
import { createCurves, sparkline } from "./curves.js";
import { button, el, guide, plural } from "./drawing.js";
import { createPair } from "./pair.js";
import { aboutRuns, alarmList, createHead, createInspector, drawTile, itemWords } from "./panels.js";
import { createClusters, createConfusion, createMapPart, createShifts } from "./parts.js";

const FRAME = 700; // ms for which a step is shown while it plays
const QUIET = 300; // ms between two changes of the address
const PACES = { 0.5: "½×", 1: "1×", 2: "2×", 4: "4×" };
const THEMES = { "": "As the system", light: "Light", dark: "Dark" };

function tell(error) {
  document.getElementById("main").textContent =
    "This page cannot be opened: the file is not whole, or the browser is too old for it. " +
    `Get the file again, or open it in a current version of Chrome, Edge, Firefox or Safari. (${error.message})`;
  throw error;
}

const page = await load().catch(tell);
page.picture.catch(tell);
const { facts, sides } = page;
const last = facts.frames.length - 1;
const state = {
  frame: last,
  picked: -1,
  chosen: null, // of each item, 1 if it is selected; null if none is
  title: "", // what the selection is
  source: 0, // number of the run that it was made in
  colour: "cluster",
  order: "central",
  theme: "",
  pace: 1,
  playing: 0, // timer
};
const parts = []; // { box, update(state) }: called when something has changed and the box is in sight
const stale = new Set(); // parts that have missed a change
const inSight = new Set(); // boxes

const actions = {
  place: (side) => side.places[state.frame],
  step: (step) => go(placeOf(step, facts.frames)),
  set: (some) => change(some),
  pick: (item) => change({ picked: item }),
  clear: () => change({ chosen: null, title: "", picked: -1 }),
  choose(items, title, source, adds = false) {
    const chosen = adds && state.chosen ? state.chosen.slice() : new Uint8Array(page.count);
    for (const item of items) chosen[item] = 1;
    change({ chosen: chosen.includes(1) ? chosen : null, title, source });
  },
  hover,
};

function change(some) {
  Object.assign(state, some);
  render();
}

function render() {
  for (const part of parts) stale.add(part);
  draw();
  writeAddress();
}

// What is out of sight is drawn when it comes into sight.
function draw(all = false) {
  for (const part of [...stale]) {
    if (part.box && !inSight.has(part.box) && !all) continue;
    stale.delete(part);
    part.update(state);
  }
}

const watch = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) inSight.add(target);
      else inSight.delete(target);
    }
    draw();
  },
  { rootMargin: "150px" },
);

// -- steps -----------------------------------------------------------------------------------------
function go(frame) {
  const next = Math.min(Math.max(frame, 0), last);
  if (next !== state.frame) change({ frame: next });
}

function play() {
  if (state.playing) return pause();
  if (state.frame === last) go(0);
  state.playing = setInterval(() => {
    go(state.frame + 1);
    if (state.frame === last) pause();
  }, FRAME / state.pace);
  render();
}

function pause() {
  clearInterval(state.playing);
  change({ playing: 0 });
}

function transport(element) {
  const icon = (label, shape, action) => button(el("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, el("path", { d: shape })), action, { "aria-label": label, title: label });
  const first = icon("First step", "M1 1h2v10H1zM11 1v10L4 6z", () => go(0));
  const back = icon("Previous step", "M9 1v10L2 6z", () => go(state.frame - 1));
  const run = button("Play", play, { class: "play" });
  const next = icon("Next step", "M3 1v10l7-5z", () => go(state.frame + 1));
  const end = icon("Last step", "M9 1h2v10H9zM1 1v10l7-5z", () => go(last));
  const slider = el("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "Step", oninput: () => go(Number(slider.value)) });
  const words = el("output", { class: "step-words" });
  const pace = el(
    "select",
    { "aria-label": "Pace", onchange: () => setPace(Number(pace.value)) },
    Object.entries(PACES).map(([value, text]) => el("option", { value, selected: value === "1" }, text)),
  );
  element.append(
    el("div", { class: "buttons" }, first, back, run, next, end, pace),
    el("div", { class: "track" }, sparkline(page), slider),
    words,
  );
  return {
    update() {
      const step = facts.frames[state.frame];
      slider.value = state.frame;
      words.textContent = `Step ${step} of ${facts.frames[last]}`;
      slider.setAttribute("aria-valuetext", words.textContent);
      run.textContent = state.playing ? "Pause" : "Play";
      first.disabled = back.disabled = state.frame === 0;
      next.disabled = end.disabled = state.frame === last;
    },
  };
}

function setPace(pace) {
  state.pace = pace;
  if (state.playing) {
    clearInterval(state.playing);
    state.playing = 0;
    play();
  }
}

// -- theme, colours --------------------------------------------------------------------------------
function choice(label, entries, get, set) {
  const buttons = entries.map(([value, words]) => button(words, () => set(value)));
  const update = () =>
    buttons.forEach((each, i) => each.setAttribute("aria-pressed", String(entries[i][0] === get())));
  return { element: el("span", { class: "segments", role: "group", "aria-label": label }, buttons), update };
}

function applyTheme() {
  document.documentElement.style.colorScheme = state.theme || "light dark";
  for (const map of maps) map.redraw();
}

// -- the tip under the pointer -----------------------------------------------------------------------
const tip = document.getElementById("tip");
const tipPicture = el("canvas", { width: facts.atlas.side, height: facts.atlas.side });
const tipWords = el("span", {});
tip.append(tipPicture, tipWords);

function hover(item, event) {
  for (const map of maps) map.hover(item);
  tip.hidden = item < 0;
  if (item < 0) return;
  drawTile(page, tipPicture, item);
  const known = page.labels?.[item];
  const name = known === undefined || known === 65535 ? "" : `, class ${facts.class_names[known]}`;
  const now = sides.map((side) => {
    const cluster = side.part("cluster", actions.place(side))[item];
    const words = cluster >= facts.n_ids ? "noise" : `cluster ${cluster}`;
    return side.letter ? `${side.letter}: ${words}` : words;
  });
  tipWords.textContent = `${itemWords(page, item)}: ${now.join(", ")}${name}`;
  const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 4);
  const top = Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 4);
  Object.assign(tip.style, { left: `${left}px`, top: `${top}px` });
}

// -- the address -----------------------------------------------------------------------------------
let written = "";
let told = -QUIET; // when
let telling = 0; // timer

function writeAddress() {
  const words = new URLSearchParams();
  words.set("step", facts.frames[state.frame]);
  if (state.picked >= 0) words.set("item", page.items[state.picked]);
  if (state.colour !== "cluster") words.set("colour", state.colour);
  if (state.order !== "central") words.set("order", state.order);
  if (state.theme) words.set("theme", state.theme);
  written = `#${words}`;
  if (state.playing || window.location.protocol === "about:") return; // told when it rests; in a lesson
  clearTimeout(telling);
  const wait = told + QUIET - performance.now(); // browsers refuse many changes in a short time
  if (wait > 0) telling = setTimeout(tellAddress, wait);
  else tellAddress();
}

function tellAddress() {
  told = performance.now();
  if (window.location.hash !== written) window.history.replaceState(null, "", written);
}

function readAddress() {
  const words = new URLSearchParams(window.location.hash.slice(1));
  const number = (name) => (/^\d{1,9}$/.test(words.get(name) ?? "") ? Number(words.get(name)) : -1);
  const word = (name, known, usual) => (known.includes(words.get(name)) ? words.get(name) : usual);
  state.frame = number("step") >= 0 ? placeOf(number("step"), facts.frames) : last;
  state.picked = number("item") >= 0 ? page.items.indexOf(number("item")) : -1;
  state.colour = word("colour", Object.keys(facts.colourings), "cluster");
  state.order = word("order", ["central", "doubtful", "changed"], "central");
  state.theme = word("theme", Object.keys(THEMES), "");
}

// -- keys ------------------------------------------------------------------------------------------
const KEYS = {
  ArrowLeft: () => go(state.frame - 1),
  ArrowRight: () => go(state.frame + 1),
  Home: () => go(0),
  End: () => go(last),
  " ": play,
  Escape: actions.clear,
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
  const { target } = event;
  const isField = target.matches?.("input:not([type=range]), select, textarea");
  if (isField && event.key !== "Escape") return;
  if (event.key === " " && target.matches?.("button, summary")) return; // which it presses
  event.preventDefault();
  KEYS[event.key]();
}

// -- putting it together -----------------------------------------------------------------------------
const maps = [];

// A box for a part; `update` is given what the part offers, and called when it is to be drawn.
function panel(main, area, make, update) {
  const box = el("section", { class: `panel ${area}` });
  main.append(box);
  const part = make(box);
  parts.push({ box, update: () => update(part) });
  watch.observe(box);
  return part;
}

function build() {
  const main = document.getElementById("main");
  main.replaceChildren();
  document.body.classList.toggle("two", sides.length > 1);
  if (facts.notes.length) main.append(el("div", { class: "notes" }, facts.notes.map((note) => el("p", {}, note))));
  parts.push(transport(document.getElementById("transport")));
  const colours = choice("Colour dots by", Object.entries(facts.colourings).map(([key, { title }]) => [key, title]), () => state.colour, (colour) => change({ colour }));
  const themes = choice("Light or dark", Object.entries(THEMES), () => state.theme, (theme) => {
    state.theme = theme;
    applyTheme();
    render();
  });
  document.getElementById("tools").append(colours.element, themes.element);
  parts.push(colours, themes);
  const figures = el("div", { class: `figures runs-${sides.length}` });
  const beside = el("aside", { class: "panel inspector", "aria-label": "What is selected" });
  main.append(el("div", { class: "columns" }, figures, beside));
  // a box for each run, which follows it
  const each = (area, create) =>
    sides.map((side) =>
      panel(figures, area, (box) => create(box, page, side, actions), (part) => part.update(state, actions.place(side))),
    );
  each("head", createHead);
  maps.push(...each("embedding", createMapPart).map((part) => part.map));
  each("clusters", createClusters);
  if (page.pair) panel(figures, "agreement wide", (box) => createPair(box, page, actions), (part) => part.update(state));
  if (page.labels) each("confusion", createConfusion);
  each("shifts", createShifts);
  panel(
    figures,
    "scores-over-steps wide",
    (box) => {
      box.append(el("h3", {}, "Scores over the steps"));
      const made = createCurves(box, page, actions.step);
      box.append(guide(facts.readings.curves));
      return made;
    },
    (part) => part.update(sides.map((side) => side.facts.steps[actions.place(side)])),
  );
  figures.append(
    el("section", { class: "panel wide alarms" }, el("h3", {}, "Alarms"), alarmList(page, actions.step)),
    el("section", { class: "panel wide" }, el("h3", {}, sides.length > 1 ? "About the runs" : "About the run"), aboutRuns(page)),
  );
  const inspector = createInspector(beside, page, actions);
  parts.push({ update: () => inspector.update(state, sides.map(actions.place)) });
  document.getElementById("footer").append(
    `Made with clustlab ${facts.clustlab}. ${plural(page.count, facts.noun)} and ${plural(facts.frames.length, "step")} are in this file; it loads nothing else. Keys: arrows go from step to step, Space plays, Home and End go to the ends, Escape clears.`,
  );
}

readAddress();
build();
applyTheme();
render();
document.addEventListener("keydown", onKey);
window.addEventListener("hashchange", () => {
  if (window.location.hash === written) return;
  readAddress();
  applyTheme();
  render();
});
window.addEventListener("resize", () => requestAnimationFrame(render));
window.addEventListener("beforeprint", () => draw(true));
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
page.picture.then(() => {
  performance.mark("images");
  render();
  setTimeout(() => draw(true)); // or the page would grow while it is scrolled through
});
requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("first frame")));
