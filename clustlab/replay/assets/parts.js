// The parts of a page that draw one run: its map, its clusters as rows of images, and its tables.

import { NOTHING } from "./data.js";
import {
  button, clusterName, clusterWords, count, el, guide, percent, plural, ramp, rebuilt,
} from "./drawing.js";
import { createMap } from "./map.js";
import { chip, colourOf, isNoise, isWrong, itemWords, tileLook } from "./panels.js";
import { createSheet, pitchOf, tileSide } from "./sheets.js";
import { createTable } from "./tables.js";

const LEVELS = 32; // of a ramp of colours
const MOST_ROWS = 60; // clusters with a row of images
const MOST_CHIPS = 24; // in a legend
const MODES = { lasso: "Lasso", box: "Box", move: "Move" };

const greatest = (values) => values.reduce((most, value) => Math.max(most, value), 1);

function members(page, test) {
  const items = [];
  for (let i = 0; i < page.count; i++) if (test(i)) items.push(i);
  return items;
}

const named = (side, words) => (side.letter ? `${words}, ${side.letter}` : words);

// -- the map -------------------------------------------------------------------------------------
export function createMapPart(element, page, side, actions) {
  const { facts } = page;
  const box = el("div", { class: "map" });
  const legend = el("p", { class: "legend" });
  const reading = guide("");
  const map = createMap(box, {
    label: "",
    onHover: (item, event) => actions.hover(item, event),
    onPick: actions.pick,
    onSelect: (items, adds) => actions.choose(items, "Selected on the map", side.number, adds),
    onClear: actions.clear,
  });
  const modes = Object.entries(MODES).map(([mode, words]) =>
    button(words, () => setMode(mode), { "aria-pressed": String(mode === "lasso") }),
  );
  function setMode(mode) {
    map.setMode(mode);
    box.dataset.mode = mode;
    Object.keys(MODES).forEach((name, i) => modes[i].setAttribute("aria-pressed", String(name === mode)));
  }
  const zooms = [
    button("+", () => map.zoom(1.5), { "aria-label": "Zoom in" }),
    button("−", () => map.zoom(1 / 1.5), { "aria-label": "Zoom out" }),
    button("All", map.reset, { "aria-label": "Show all dots" }),
  ];
  const group = (label, list) => el("span", { class: "segments", role: "group", "aria-label": label }, list);
  const tools = el("div", { class: "map-tools" }, group("What dragging does", modes), group("Zoom", zooms));
  element.append(el("h3", {}, named(side, "Embedding")), tools, box, legend, reading);
  const sure = ramp(facts.ramp, LEVELS);
  let drawn = "";

  function colouring(by, place) {
    const clusters = side.part("cluster", place);
    const places = new Uint16Array(page.count);
    const fill = (pick) => {
      for (let i = 0; i < page.count; i++) places[i] = pick(i);
      return places;
    };
    if (by === "class") {
      const unknown = facts.class_colours.length;
      fill((i) => (page.labels[i] === NOTHING ? unknown : page.labels[i]));
      return [places, [...facts.class_colours, facts.grey]];
    }
    if (by === "correct") {
      fill((i) => (isNoise(page, clusters[i]) || page.labels[i] === NOTHING ? 2 : Number(isWrong(page, side, place, i))));
      return [places, [facts.right, facts.wrong, facts.grey]];
    }
    if (by === "confidence") {
      const values = side.part("confidence", place);
      return [fill((i) => Math.round((values[i] / 65535) * (LEVELS - 1))), sure];
    }
    if (by === "changes") {
      const values = side.part("changes", place);
      const most = greatest(values);
      return [fill((i) => Math.round((values[i] / most) * (LEVELS - 1))), sure];
    }
    return [fill((i) => Math.min(clusters[i], facts.n_ids)), [...facts.colours, facts.grey]];
  }

  function legendOf(by, place) {
    const swatch = (colour, words) =>
      el("span", { class: "key" }, el("i", { style: { backgroundColor: colour } }), words);
    if (by === "class") return facts.class_names.slice(0, MOST_CHIPS).map((name, i) => swatch(facts.class_colours[i], name));
    if (by === "correct") return [swatch(facts.right, "right"), swatch(facts.wrong, "wrong"), swatch(facts.grey, "unknown or noise")];
    if (by === "confidence" || by === "changes") {
      const most = by === "confidence" ? "1" : count(greatest(side.part("changes", place)));
      return ["0 ", ...facts.ramp.map((colour) => swatch(colour, "")), ` ${most}`];
    }
    const sizes = side.part("size", place);
    const ids = [...sizes.keys()].filter((cluster) => sizes[cluster]);
    const more = ids.length > MOST_CHIPS ? [` and ${ids.length - MOST_CHIPS} more`] : [];
    return [...ids.slice(0, MOST_CHIPS).map((cluster) => chip(page, cluster)), ...more];
  }

  function marksAt(place) {
    const places = side.part("center", place);
    const marks = [];
    for (let cluster = 0; cluster < facts.n_ids; cluster++) {
      const [x, y] = [places[2 * cluster], places[2 * cluster + 1]];
      if (x && y) marks.push({ x, y, text: String(cluster), colour: colourOf(page, cluster) });
    }
    return marks;
  }

  function path(item) {
    if (item < 0) return [];
    const [xs, ys, clusters] = ["x", "y", "cluster"].map((name) => side.history(name, item));
    return xs.map((x, i) => ({ x, y: ys[i], colour: colourOf(page, clusters[i]) }));
  }

  return {
    map,
    update(state, place) {
      const step = side.facts.steps[place];
      if (drawn !== String(place)) map.move(side.part("x", place), side.part("y", place), drawn === "");
      drawn = String(place);
      map.paint(...colouring(state.colour, place));
      map.mark(state.colour === "class" ? [] : marksAt(place));
      map.select(state.chosen);
      map.look(state.picked, path(state.picked));
      map.name(
        `Map of ${plural(page.count, facts.noun)} at step ${step}, coloured by ${facts.colourings[state.colour].title.toLowerCase()}. ` +
          "Plus and minus zoom, arrows move a map that is zoomed in, Enter selects what is in view, Escape clears.",
      );
      legend.replaceChildren(...legendOf(state.colour, place));
      reading.lastChild.textContent = `${facts.readings.map} ${facts.colourings[state.colour].reading}`;
    },
  };
}

// -- clusters as rows of images ------------------------------------------------------------------
const ORDERS = {
  central: ["Most central", (side, place) => {
    const rank = side.part("central", place);
    return (a, b) => rank[a] - rank[b];
  }],
  doubtful: ["Least sure", (side, place) => {
    const sure = side.part("confidence", place);
    return (a, b) => sure[a] - sure[b] || a - b;
  }],
  changed: ["Just arrived", (side, place) => {
    const sure = side.part("confidence", place);
    return (a, b) => sure[a] - sure[b] || a - b;
  }],
};

export function createClusters(element, page, side, actions) {
  const { facts } = page;
  const orders = Object.entries(ORDERS).map(([order, [words]]) => button(words, () => actions.set({ order })));
  const heads = el("div", { class: "cluster-heads" });
  const box = el("div", { class: "sheet-box" });
  const note = el("p", { class: "quiet" });
  const sheet = createSheet(box, page, {
    onPick: actions.pick,
    onHover: actions.hover,
    words: (item) => itemWords(page, item),
  });
  element.append(
    el("h3", {}, named(side, facts.has_images ? "Images of each cluster" : "Items of each cluster")),
    el("div", { class: "segments", role: "group", "aria-label": "Order" }, orders),
    el("div", { class: "cluster-rows" }, heads, box),
    note,
    guide(facts.readings.sheets),
  );

  function head(cluster, place) {
    const size = side.part("size", place)[cluster];
    const meant = cluster < facts.n_ids ? side.part("class_of", place)[cluster] : NOTHING;
    const all = side.confusion(place).filter(([, column]) => column === cluster);
    const labelled = all.reduce((sum, [, , number]) => sum + number, 0);
    const own = all.find(([row]) => row === meant)?.[2] ?? 0;
    const share = meant !== NOTHING && labelled ? ` ${percent(own / labelled)}` : "";
    const stands = meant === NOTHING ? "" : ` → ${facts.class_names[meant]}`;
    const words = `${clusterWords(cluster, facts.n_ids)}${stands}: ${plural(size, "item")}${share && `,${share} of the class it stands for`}`;
    const style = { height: `${pitchOf(tileSide(facts.atlas.side))}px` };
    return el(
      "button",
      { type: "button", style, title: words, "aria-label": `Select ${words}`, onclick: () => chooseCluster(cluster) },
      chip(page, cluster),
      el("span", { class: "stands" }, stands),
      el("span", { class: "size" }, `${count(size)}${share && ` ·${share}`}`),
    );
  }

  function chooseCluster(cluster) {
    const clusters = side.part("cluster", actions.place(side));
    const items = members(page, (i) => Math.min(clusters[i], facts.n_ids) === cluster);
    actions.choose(items, capital(clusterWords(cluster, facts.n_ids)), side.number);
  }

  return {
    update(state, place) {
      const clusters = side.part("cluster", place);
      const sizes = side.part("size", place);
      const there = side.part("is_there", place);
      let ids = [...sizes.keys()].filter((cluster) => sizes[cluster] || there[cluster]);
      const all = ids.length;
      if (all > MOST_ROWS) {
        const kept = new Set([...ids].sort((a, b) => sizes[b] - sizes[a]).slice(0, MOST_ROWS));
        ids = ids.filter((cluster) => kept.has(cluster));
      }
      const members = new Map(ids.map((cluster) => [cluster, []]));
      const before = place > 0 && side.facts.beginnings[place] === "carried on" ? side.part("cluster", place - 1) : null;
      for (let i = 0; i < page.count; i++) {
        if (state.order === "changed" && (!before || before[i] === clusters[i])) continue;
        members.get(Math.min(clusters[i], facts.n_ids))?.push(i);
      }
      const compare = ORDERS[state.order][1](side, place);
      rebuilt(heads, ...ids.map((cluster) => head(cluster, place)));
      const across = sheet.columns(tileSide(facts.atlas.side)); // in the room that the heads leave
      const rows = ids.map((cluster) => members.get(cluster).sort(compare).slice(0, across));
      const words = ORDERS[state.order][0].toLowerCase();
      sheet.show(
        rows,
        { ...tileLook(page, side, place), picked: state.picked },
        `A row of ${facts.noun}s for each cluster, ${words}. Arrow keys go from one to the next, Enter opens one.`,
      );
      Object.keys(ORDERS).forEach((order, i) => orders[i].setAttribute("aria-pressed", String(order === state.order)));
      note.textContent = all > MOST_ROWS ? `The ${MOST_ROWS} largest of ${count(all)} clusters.` : "";
    },
  };
}

const capital = (words) => words[0].toUpperCase() + words.slice(1);

// -- tables --------------------------------------------------------------------------------------
export function createConfusion(element, page, side, actions) {
  const { facts } = page;
  const box = el("div", { class: "table-box" });
  element.append(el("h3", {}, named(side, "Classes by clusters")), box, guide(facts.readings.confusion));
  const table = createTable(box, {
    onPick(label, cluster) {
      const clusters = side.part("cluster", actions.place(side));
      const items = members(page, (i) => page.labels[i] === label && Math.min(clusters[i], facts.n_ids) === cluster);
      actions.choose(items, `${facts.class_names[label]} in ${clusterWords(cluster, facts.n_ids)}`, side.number);
    },
  });

  // Columns in the order of the classes they stand for, then the others; noise comes last.
  function order(place) {
    const [meant, there, sizes] = ["class_of", "is_there", "size"].map((name) => side.part(name, place));
    const ids = Array.from({ length: facts.n_ids }, (_, i) => i).filter((i) => there[i] || sizes[i]);
    ids.sort((a, b) => meant[a] - meant[b] || a - b);
    return sizes[facts.n_ids] ? [...ids, facts.n_ids] : ids;
  }

  return {
    update(_, place) {
      const meant = side.part("class_of", place);
      const columnWords = (c) => {
        const own = c < facts.n_ids ? meant[c] : NOTHING;
        return own === NOTHING ? clusterName(c, facts.n_ids) : `${c} → ${facts.class_names[own]}`;
      };
      table.show({
        label: `True classes by clusters at step ${side.facts.steps[place]}`,
        corner: "class",
        rows: facts.class_names.map((words, id) => ({ id, words })),
        columns: order(place).map((id) => ({ id, words: columnWords(id) })),
        counts: side.confusion(place),
        isOutlined: (row, column) => column < facts.n_ids && meant[column] === row,
        cellWords: (row, column, number, share) =>
          `${facts.class_names[row]} in ${clusterWords(column, facts.n_ids)}: ${count(number)} (${share} of the class)`,
      });
    },
  };
}

const NOT_CARRIED = {
  first: "This is the first step, so nothing has moved yet.",
  "read anew": "At this step the clusters are recomputed from what was trained, so nothing counts as moved.",
};

export function createShifts(element, page, side, actions) {
  const { facts } = page;
  const title = el("h3", {});
  const box = el("div", { class: "table-box" });
  const inner = el("div", {});
  const message = el("p", { class: "quiet" });
  box.append(message, inner);
  element.append(title, box, guide(facts.readings.shifts));
  const table = createTable(inner, {
    onPick(from, to) {
      const place = actions.place(side);
      const [before, after] = [side.part("cluster", place - 1), side.part("cluster", place)];
      const is = (value, cluster) => Math.min(value, facts.n_ids) === cluster;
      const items = members(page, (i) => is(before[i], from) && is(after[i], to));
      const words = `${capital(clusterWords(from, facts.n_ids))} to ${clusterWords(to, facts.n_ids)} at step ${side.facts.steps[place]}`;
      actions.choose(items, words, side.number);
    },
  });
  return {
    update(_, place) {
      const { steps, beginnings } = side.facts;
      const carried = beginnings[place] === "carried on";
      title.textContent = named(side, carried ? `Shifts from step ${steps[place - 1]} to ${steps[place]}` : "Shifts");
      message.textContent = carried ? "" : NOT_CARRIED[beginnings[place]];
      inner.hidden = !carried;
      if (!carried) return;
      const counts = side.shifts(place);
      const used = [...new Set(counts.flatMap(([from, to]) => [from, to]))].sort((a, b) => a - b);
      const list = used.map((id) => ({ id, words: clusterName(id, facts.n_ids) }));
      table.show({
        label: `Clusters at step ${steps[place - 1]} by those at step ${steps[place]}`,
        corner: "from \\ to",
        rows: list,
        columns: list,
        counts,
        isOutlined: (row, column) => row === column,
        cellWords: (from, to, number, share) =>
          `From ${clusterWords(from, facts.n_ids)} to ${clusterWords(to, facts.n_ids)}: ${count(number)} (${share})`,
      });
    },
  };
}
