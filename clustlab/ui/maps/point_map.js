// A map on a page: fetches what the server has put down, draws it, and tells what is chosen.
//
// It comes with each step as addresses (see point_map.py). Scripts beside it are those of replay pages.

import { button, count, el, figure } from "./drawing.js";
import { createItemImages } from "./item_images.js";
import { createMap } from "./map.js";

const ROOM = 96e6; // bytes of answers that are kept
const PATIENCE = [300, 1000, 3000]; // ms until what is not there is asked for again
const IDLE = 60; // ms at rest until the steps beside are asked for
const MODES = { box: "Rectangle", lasso: "Lasso", move: "Move" };
const FULL = 65535;

const drawn = new WeakMap(); // maps by the element that Streamlit gives them
const looks = new Map(); // where maps that have gone looked at, by name
const groups = new Map(); // maps that show the same items, by name

// -- what the server has -----------------------------------------------------------------------
const kept = new Map(); // { answer, size } by address, those asked for last at the end
let used = 0;

async function asked(address, onMissing) {
  for (const wait of [...PATIENCE, null]) {
    const answer = await fetch(address);
    if (answer.ok) return answer.arrayBuffer();
    if (wait === null) throw new Error(`${answer.status} for ${address}`);
    onMissing();
    await new Promise((done) => setTimeout(done, wait));
  }
}

// The answer to an address; null for none. What is not kept any more is told to `onMissing`.
function fetched(address, onMissing) {
  if (!address) return null;
  const known = kept.get(address);
  const entry = known ?? { answer: asked(address, onMissing), size: 0 };
  kept.delete(address);
  kept.set(address, entry);
  if (!known) entry.answer.then((content) => countIn(entry, content.byteLength), () => kept.delete(address));
  return entry.answer;
}

function countIn(entry, size) {
  entry.size = size;
  used += size;
  for (const [oldest, other] of kept) {
    if (used <= ROOM || other === entry) break;
    kept.delete(oldest);
    used -= other.size;
  }
}

const itemOf = (dot, items) => (items ? items[dot] : dot);
const facts = (content) => JSON.parse(new TextDecoder().decode(content));

function picture(content) {
  return createImageBitmap(new Blob([content], { type: "image/png" }));
}

// -- a map -------------------------------------------------------------------------------------
export function draw(component) {
  const { parentElement } = component;
  let map = drawn.get(parentElement);
  if (!map) drawn.set(parentElement, (map = create(parentElement.querySelector(".point-map"), component.data)));
  const turn = map.show(component);
  return () => {
    if (!map.isLast(turn)) return; // Streamlit also clears up after a turn that was overtaken
    map.destroy();
    drawn.delete(parentElement);
  };
}

function create(element, { group }) {
  const box = el("div", { class: "map" });
  const legend = el("div", { class: "legend", role: "group", "aria-label": "Colours; press to show only these" });
  const tip = el("div", { class: "tip", "aria-hidden": "true" });
  const problem = el("p", { class: "problem", role: "alert" });
  let [turn, shown, scene, mask, lost] = [0, {}, null, null, false];
  let tell = () => {};
  let only = new Set(); // names of the colours that are shown; all if none is named
  let told = { scene: null }; // columns of the scene, once somebody points at a dot
  let images = null; // of the items, if they have any
  let close = { address: null, items: null }; // items of the dots that are looked at close up

  const map = createMap(box, { label: "Map, loading", onHover, onPick, onSelect, onClear, onSight });
  const modes = Object.entries(MODES).map(([mode, words]) => button(words, () => setMode(mode)));
  const tools = el(
    "div",
    { class: "tools" },
    el("span", { role: "group", "aria-label": "What dragging does" }, modes),
    el(
      "span",
      { role: "group", "aria-label": "Zoom" },
      button("+", () => map.zoom(1.5), { "aria-label": "Zoom in" }),
      button("−", () => map.zoom(1 / 1.5), { "aria-label": "Zoom out" }),
      button("All", map.reset, { "aria-label": "Show all dots" }),
    ),
  );
  const title = el("b", {});
  element.replaceChildren(
    el("div", { class: "head" }, title, legend, tools),
    el("div", { class: "frame" }, box, tip),
    problem,
  );
  box.addEventListener("keydown", (event) => event.key === "Escape" && onClear());
  setMode("box");

  const peers = groups.get(group) ?? new Set();
  if (group) groups.set(group, peers.add(map));

  function setMode(mode) {
    map.setMode(mode);
    box.dataset.mode = mode;
    Object.keys(MODES).forEach((each, i) => modes[i].setAttribute("aria-pressed", String(each === mode)));
  }

  // -- what is shown ---------------------------------------------------------------------------
  function show({ data, setTriggerValue }) {
    tell = setTriggerValue;
    const mine = ++turn;
    load(data, mine).catch((error) => {
      if (mine !== turn) return;
      problem.textContent = "The map could not be loaded. Reload the page.";
      console.warn(error.message);
    });
    return mine;
  }

  function onMissing() {
    if (!lost) tell("lost", true); // the session puts everything down again
    lost = true;
  }

  async function load(data, mine) {
    element.style.setProperty("--height", data.height);
    title.textContent = data.title;
    const wanted = [data.scene, data.dots, data.codes, data.chosen, data.ground];
    const answers = await Promise.all(wanted.map((address) => fetched(address, onMissing)));
    if (mine !== turn) return; // a newer step has overtaken this one
    const ground = answers[4] && data.ground !== shown.ground ? await picture(answers[4]) : null;
    if (mine !== turn) return;
    const before = shown;
    [shown, lost] = [data, false];
    problem.textContent = "";
    const isOther = data.name !== before.name;
    if (isOther && before.name) looks.set(before.name, map.looksAt());
    if (data.scene !== before.scene) setScene(facts(answers[0]));
    if (data.image !== before.image) setImages(data.image);
    if (data.codes !== before.codes || data.scene !== before.scene) {
      const codes = scene.palette.length > 256 ? new Uint16Array(answers[2]) : new Uint8Array(answers[2]);
      map.paint(codes, scene.palette);
    }
    filter();
    if (data.ground !== before.ground) map.lay(ground && { image: ground, ...scene.square });
    if (data.dots !== before.dots) setDots(new Uint16Array(answers[1]), !before.dots);
    if (isOther) map.lookAt(looks.get(data.name) ?? { ...scene.frame, zoom: 1 });
    if (data.chosen !== before.chosen || mask) setChosen(answers[3]);
    map.look(data.ringed);
    rest(mine);
  }

  function setScene(facts) {
    scene = facts;
    map.frame(scene.frame);
    map.mark(scene.marks);
    map.follow(scene.wakes);
    map.name(scene.label);
    legend.replaceChildren(...legendOf(scene));
  }

  function setDots(both, isFirst) {
    const n = both.length / 2;
    map.move(both.subarray(0, n), both.subarray(n), isFirst);
  }

  function setImages(address) {
    images = address ? createItemImages(address) : null;
    map.depict(images && ((dot) => (close.address === scene.items ? images.of(itemOf(dot, close.items)) : null)));
  }

  // Dots that are looked at close up are drawn as their images as soon as these are there.
  async function onSight(dots) {
    const address = scene.items;
    try {
      const content = await fetched(address, onMissing);
      const items = content && new Uint32Array(content);
      await images?.load(dots.map((dot) => itemOf(dot, items)));
      close = { address, items };
      map.redraw();
    } catch (error) {
      console.warn(error.message); // they stay dots
    }
  }

  function setChosen(content) {
    mask = null;
    if (content) {
      const bits = new Uint8Array(content);
      mask = new Uint8Array(scene.n);
      for (let i = 0; i < scene.n; i++) mask[i] = (bits[i >> 3] >> (i & 7)) & 1;
    }
    map.select(mask);
  }

  // Say on the element which step is drawn once nothing moves, for whoever waits for it.
  function rest(mine) {
    if (mine !== turn) return;
    if (map.isAtRest()) {
      box.dataset.step = scene.step;
      setTimeout(() => getReady(shown.ahead, mine).catch(() => {}), IDLE); // else it is fetched when it is needed
    } else requestAnimationFrame(() => rest(mine));
  }

  // Fetch what the steps beside this one need, while nobody waits for anything.
  async function getReady(address, mine) {
    if (!address || mine !== turn) return;
    const answer = await fetch(address);
    for (const each of answer.ok ? await answer.json() : []) {
      if (mine !== turn) return;
      await fetched(each, () => {});
    }
    if (mine === turn) box.dataset.ready = scene.step;
  }

  // -- the legend ------------------------------------------------------------------------------
  function legendOf({ names, palette, counts, highest }) {
    if (highest) {
      const ramp = el("i", { class: "ramp", style: { background: `linear-gradient(90deg, ${palette.join(", ")})` } });
      return [el("span", {}, "0"), ramp, el("span", {}, highest === 1 ? "1" : count(highest))];
    }
    if (!scene.has_legend) return [];
    return names.map((each, i) =>
      button([el("i", { style: { background: palette[i] } }), el("b", {}, each), " ", el("span", {}, count(counts[i]))], () => toggle(each), {
        "data-name": each,
      }),
    );
  }

  function toggle(each) {
    if (!only.delete(each)) only.add(each);
    filter();
  }

  function filter() {
    only = new Set(scene.has_legend ? scene.names.filter((each) => only.has(each)) : []);
    map.hide(only.size ? scene.names.map((each) => !only.has(each)) : null);
    for (const entry of legend.querySelectorAll("button")) {
      entry.setAttribute("aria-pressed", String(only.has(entry.dataset.name)));
    }
  }

  // -- what is chosen --------------------------------------------------------------------------
  function onPick(dot) {
    tell("chosen", { dots: shown.dots, dot });
  }

  function onSelect(dots, adds, area) {
    const now = adds && mask ? mask.slice() : new Uint8Array(scene.n);
    for (const dot of dots) now[dot] = 1;
    mask = dots.length || adds ? now : null; // until the session has answered
    map.select(mask);
    const codes = only.size ? scene.names.map((each, i) => (only.has(each) ? i : -1)).filter((i) => i >= 0) : null;
    tell("chosen", { dots: shown.dots, area, adds, codes: codes && shown.codes, only: codes });
  }

  function onClear() {
    if (mask || shown.ringed >= 0) tell("chosen", { clear: true });
  }

  // -- what is said of a dot -------------------------------------------------------------------
  async function onHover(dot, event) {
    for (const peer of peers) if (peer !== map) peer.hover(dot);
    box.dataset.hovered = dot;
    if (dot < 0) {
      tip.replaceChildren();
      return;
    }
    const { left, top } = box.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    if (told.scene !== scene) {
      const columns = [scene.items, scene.item_names, ...scene.columns.map((column) => column.numbers)];
      const answers = await Promise.all(columns.map((address) => fetched(address, onMissing)));
      told = { scene, items: answers[0] && new Uint32Array(answers[0]), names: answers[1] && facts(answers[1]) };
      told.columns = answers.slice(2).map((numbers) => new Uint16Array(numbers));
    }
    if (box.dataset.hovered === String(dot)) say(dot, x, y);
  }

  function say(dot, x, y) {
    const item = itemOf(dot, told.items);
    const rows = scene.columns.map(({ title, words, is_share }, i) => {
      const value = told.columns[i][dot];
      return [title, words ? words[value] : is_share ? figure(value / FULL) : count(value)];
    });
    const table = [["item", String(item)], ...rows].map(([title, words]) =>
      el("div", {}, el("span", {}, title), el("span", {}, words)),
    );
    const image = shown.image && el("img", { src: shown.image.replace("{index}", item), alt: "" });
    tip.replaceChildren(told.names ? el("b", {}, told.names[item]) : "", image ?? "", ...table);
    const [right, below] = [x + 14 + tip.offsetWidth < box.clientWidth, y + 14 + tip.offsetHeight < box.clientHeight];
    tip.style.left = `${right ? x + 14 : Math.max(0, x - 14 - tip.offsetWidth)}px`;
    tip.style.top = `${below ? y + 14 : Math.max(0, y - 14 - tip.offsetHeight)}px`;
  }

  return {
    show,
    isLast: (mine) => mine === turn,
    destroy() {
      turn++;
      if (shown.name) looks.set(shown.name, map.looksAt());
      peers.delete(map);
      map.destroy();
    },
  };
}
