// What a page says in words: heads of runs, alarms, biographies, selections, and about the runs.

import { NOTHING } from "./data.js";
import {
  button, clusterName, clusterWords, count, dash, el, figure, inkOn, percent, plural, rebuilt, scoreText,
} from "./drawing.js";
import { createSheet, tileSide } from "./sheets.js";

const MOST_TILES = 400; // of a selection
const MOST_BARS = 12;
const ACROSS = 4; // neighbours in a row

// An item within a line, by its name where it has one.
export function itemWords(page, i) {
  const number = `item ${page.items[i]}`;
  const name = page.facts.names[i];
  return name ? `${shortened(name)} (${number})` : number;
}

export function shortened(name, longest = 40) {
  const line = name.replace(/\s+/g, " ").trim();
  if (line.length <= longest) return line;
  const end = Math.floor((longest - 1) / 2);
  return `${line.slice(0, longest - 1 - end)}…${line.slice(-end)}`;
}

export const isNoise = (page, cluster) => cluster >= page.facts.n_ids;
export const colourOf = (page, cluster) =>
  isNoise(page, cluster) ? page.facts.grey : page.facts.colours[cluster];

export function chip(page, cluster) {
  const colour = colourOf(page, cluster);
  const style = { backgroundColor: colour, color: inkOn(colour) };
  return el("span", { class: "chip", style }, clusterName(cluster, page.facts.n_ids));
}

// Whether an item's class is known and not that of its cluster; noise is neither right nor wrong.
export function isWrong(page, side, place, i) {
  const cluster = side.part("cluster", place)[i];
  if (!page.labels || page.labels[i] === NOTHING || isNoise(page, cluster)) return false;
  return side.part("class_of", place)[cluster] !== page.labels[i];
}

// How the tiles of items look on a sheet at a step: their size, frame and mark.
export function tileLook(page, side, place) {
  const clusters = side.part("cluster", place);
  return {
    side: tileSide(page.facts.atlas.side),
    frame: (item) => colourOf(page, clusters[item]),
    isWrong: (item) => isWrong(page, side, place, item),
  };
}

// -- the head of a run ---------------------------------------------------------------------------
export function createHead(element, page, side) {
  const { facts } = page;
  const run = side.facts;
  const where = el("p", { class: "where" });
  const scores = el("p", { class: "scores" });
  const story = el("p", { class: "story" });
  const alarms = el("p", { class: "alarm-line" });
  const letter = side.letter ? el("span", { class: `letter line-${side.number}` }, side.letter) : null;
  const title = side.letter ? el("h2", {}, letter, run.title) : ""; // else the page has it
  element.append(title, where, scores, story, alarms);
  return {
    update(state, place) {
      const step = run.steps[place];
      const over = facts.frames[state.frame] > run.steps.at(-1) ? " (this run has ended)" : "";
      const status = run.status === "done" ? "" : ` · ${run.status}`;
      where.textContent = `Step ${step} of ${run.n_steps - 1} · ${run.phases[place]}${over}${status}`;
      scores.replaceChildren(...scoresAt(facts, run, step));
      story.textContent = run.stories[place].join(" ");
      const here = run.alarms.filter((alarm) => alarm.step <= step && step <= alarm.until);
      alarms.hidden = !here.length;
      alarms.replaceChildren(
        ...here.slice(0, 1).flatMap((a) => [el("b", {}, a.title), ` (${a.when}): ${a.fact}`]),
        here.length > 1 ? ` Also: ${here.slice(1).map((a) => a.title.toLowerCase()).join(", ")}.` : "",
      );
    },
  };
}

function scoresAt(facts, run, step) {
  const place = run.curve_steps.indexOf(step);
  const leading = facts.leading.filter((key) => run.scores[key]).slice(0, 3);
  const keys = [...(leading.length ? leading : ["confidence"]), "n_occupied"];
  if (run.has_noise) keys.push("share_clustered");
  return keys
    .filter((key) => run.scores[key])
    .map((key) => {
      const words = facts.score_words[key];
      const value = scoreText(words, run.scores[key][place]);
      return el("span", { title: words.meaning }, `${words.short} `, el("b", {}, value));
    });
}

// -- alarms --------------------------------------------------------------------------------------
export function alarmList(page, onStep) {
  const named = page.sides.length > 1;
  const found = page.sides.flatMap((side) => side.facts.alarms.map((alarm) => [side, alarm]));
  if (!found.length) return [el("p", {}, "No alarm: nothing looked odd at any step.")];
  return found.map(([side, alarm]) =>
    el(
      "article",
      { class: "alarm" },
      el("h3", {}, `${named ? `${side.letter}: ` : ""}${alarm.title} `, button(alarm.when, () => onStep(alarm.step))),
      el("p", {}, alarm.fact),
      el("p", {}, alarm.meaning),
      alarm.remedy ? el("p", { class: "quiet" }, `What guards against it: ${alarm.remedy}`) : null,
    ),
  );
}

// -- about the runs --------------------------------------------------------------------------------
export function aboutRuns(page) {
  const { facts, sides } = page;
  const parts = sides.flatMap((side) => [
    sides.length > 1 ? el("h3", {}, `${side.letter}: ${side.facts.title}`) : null,
    ...Object.entries(side.facts.about)
      .filter(([, rows]) => rows.length)
      .map(([title, rows]) => el("section", {}, el("h4", {}, title), definitions(rows))),
  ]);
  if (facts.differing.length) parts.unshift(differences(page));
  return el("div", { class: "about" }, parts.filter(Boolean));
}

function definitions(rows) {
  return el("dl", {}, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function differences({ facts, sides }) {
  const rows = facts.differing.map(({ name, values }) =>
    el("tr", {}, el("th", { scope: "row" }, name), sides.map(({ facts: run }) => el("td", {}, String(values[run.id] ?? dash)))),
  );
  const head = el("tr", {}, el("td", {}), sides.map((side) => el("th", { scope: "col" }, side.letter)));
  const table = el("table", { class: "plain" }, el("thead", {}, head), el("tbody", {}, rows));
  return el("section", { class: "differences" }, el("h3", {}, "Where the settings differ"), table);
}

// -- what is selected ----------------------------------------------------------------------------
export function createInspector(element, page, actions) {
  const { facts, sides } = page;
  const find = el("input", { type: "search", id: "find", autocomplete: "off", placeholder: facts.names.length ? "Number or name" : "Number" });
  const form = el(
    "form",
    { class: "find" },
    el("label", { for: "find" }, `Find an ${facts.noun}`),
    find,
    el("button", { type: "submit" }, "Find"),
  );
  const found = el("p", { class: "quiet", role: "status" });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const item = itemCalled(page, find.value);
    found.textContent = item < 0 ? `No ${facts.noun} on this page is called ${JSON.stringify(find.value)}.` : "";
    if (item >= 0) actions.pick(item);
  });
  const biography = el("div", { class: "biography" });
  const selection = el("div", { class: "selection" });
  element.append(form, found, biography, selection);
  const sheetBox = el("div", { class: "sheet-box" });
  const sheet = createSheet(sheetBox, page, {
    onPick: actions.pick,
    onHover: actions.hover,
    words: (item) => itemWords(page, item),
  });

  function hint() {
    const drag = `Click a dot or an ${facts.noun} for its biography. Drag over a map to select several; with Shift they are added.`;
    return [el("p", { class: "quiet" }, drag)];
  }

  function life(item, places) {
    const large = el("canvas", { class: "large", width: facts.atlas.side, height: facts.atlas.side, role: "img", "aria-label": itemWords(page, item) });
    drawTile(page, large, item);
    const name = facts.names[item];
    const label = page.labels ? page.labels[item] : NOTHING;
    const lines = [
      el("h3", { title: name ?? null }, name ? shortened(name) : `Item ${page.items[item]}`),
      name ? el("p", {}, `Item ${page.items[item]}`) : null,
      label === NOTHING ? null : el("p", {}, "True class ", el("b", {}, facts.class_names[label])),
      button("Close", () => actions.pick(-1)),
    ];
    return [
      el("div", { class: "portrait" }, large, el("div", {}, lines.filter(Boolean))),
      ...sides.map((side) => lifeIn(side, item, places[side.number])),
    ];
  }

  function lifeIn(side, item, place) {
    const cluster = side.part("cluster", place)[item];
    const sure = side.part("confidence", place)[item] / 65535;
    const changes = side.part("changes", place)[item];
    const now = isNoise(page, cluster)
      ? " Noise: it belongs to no cluster."
      : ` Cluster ${cluster}, confidence ${figure(sure)}${meaning(side, item, place, cluster)}.`;
    const times = `Changed cluster ${plural(changes, "time")} up to this step.`;
    return el(
      "section",
      { class: "life" },
      side.letter ? el("h4", {}, `${side.letter}: ${side.facts.method}`) : null,
      el("p", {}, chip(page, cluster), now),
      el("p", {}, times),
      strip(side, item, place),
      el("div", { class: "near" }, neighbours(side, item)),
      ...moves(side, item),
    );
  }

  // Its nearest items on the page, at the first step and the last.
  function neighbours(side, item) {
    const ends = [0, side.facts.steps.length - 1];
    return (ends[1] ? ends : [0]).flatMap((place) => {
      const near = side.near(place ? 1 : 0, item);
      if (!near.length) return [];
      const clusters = side.part("cluster", place);
      const own = Math.min(clusters[item], facts.n_ids);
      const same = near.filter((other) => own < facts.n_ids && clusters[other] === own).length;
      const words = `Nearest in the embedding at step ${side.facts.steps[place]}: ${same} of ${near.length} share its cluster`;
      const box = el("div", { class: "sheet-box" });
      const row = createSheet(box, page, { onPick: actions.pick, onHover: actions.hover, words: (i) => itemWords(page, i) });
      row.show(
        [near.slice(0, ACROSS), near.slice(ACROSS)],
        tileLook(page, side, place),
        `${words}. Arrow keys go from one to the next, Enter opens one.`,
      );
      return [el("div", {}, el("p", { class: "quiet" }, words), box)];
    });
  }

  // What the cluster of an item stands for, beside the item's own class.
  function meaning(side, item, place, cluster) {
    if (!page.labels || page.labels[item] === NOTHING) return "";
    const meant = side.part("class_of", place)[cluster];
    if (meant === NOTHING) return "; the cluster stands for no class";
    if (meant === page.labels[item]) return "; the cluster stands for its class";
    return `; the cluster stands for another class, ${facts.class_names[meant]}`;
  }

  // Its cluster at each step as cells, and its confidence as a line above them.
  function strip(side, item, place) {
    const clusters = side.history("cluster", item);
    const sure = side.history("confidence", item);
    const [wide, high] = [clusters.length, 40];
    const x = (i) => i + 0.5;
    const line = sure.map((v, i) => `${i ? "L" : "M"}${x(i)} ${(24 - (v / 65535) * 22).toFixed(1)}`).join("");
    const cells = clusters.map((cluster, i) =>
      el("rect", { x: i, y: 28, width: 1.02, height: 12, fill: colourOf(page, cluster), "data-step": i }),
    );
    const words = stretches(clusters).map(([c, i]) => `${clusterName(c, facts.n_ids)} from step ${side.facts.steps[i]}`);
    const drawing = el(
      "svg",
      { class: "strip", viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", role: "img", "aria-label": `Its clusters: ${words.slice(0, 12).join(", ")}` },
      cells,
      el("path", { class: "curve line-0", d: line }),
      el("line", { class: "here", x1: x(place), x2: x(place), y1: 0, y2: high }),
    );
    drawing.addEventListener("click", (event) => {
      const box = drawing.getBoundingClientRect();
      const at = Math.floor(((event.clientX - box.left) / box.width) * wide);
      actions.step(side.facts.steps[Math.min(Math.max(at, 0), wide - 1)]);
    });
    const caption = el("figcaption", {}, "Its cluster at each step, and above it how sure the method was (0 to 1)");
    return el("figure", {}, drawing, caption);
  }

  // Where it went, with how many others on the page made the same move.
  function moves(side, item) {
    const clusters = side.history("cluster", item);
    const told = [];
    for (let i = 1; i < clusters.length; i++) {
      if (clusters[i] === clusters[i - 1] || side.facts.beginnings[i] !== "carried on") continue;
      const [before, after] = [side.part("cluster", i - 1), side.part("cluster", i)];
      const others = [];
      for (let j = 0; j < page.count; j++) {
        if (before[j] === clusters[i - 1] && after[j] === clusters[i]) others.push(j);
      }
      const way = `${clusterWords(clusters[i - 1], facts.n_ids)} to ${clusterWords(clusters[i], facts.n_ids)}`;
      const step = side.facts.steps[i];
      const together = others.length - 1;
      told.push(
        el(
          "li",
          {},
          button(`Step ${step}`, () => actions.step(step)),
          ` ${way}`,
          together ? [", with ", button(plural(together, "other"), () => actions.choose(others, `From ${way} at step ${step}`, side.number))] : ", alone",
        ),
      );
    }
    return told.length ? [el("ul", { class: "moves" }, told)] : [];
  }

  function group(state, places) {
    const items = [];
    for (let i = 0; i < page.count; i++) if (state.chosen[i]) items.push(i);
    const side = sides[state.source] ?? sides[0];
    const place = places[side.number];
    const head = el(
      "h3",
      {},
      `${state.title}: ${plural(items.length, "item")} ${page.count < facts.n_items ? "on this page " : ""}`,
      button("Clear", actions.clear),
    );
    const bars = sides.map((each) => tally(each, items, places[each.number]));
    const parts = [head, ...bars];
    if (page.labels) parts.push(classTally(items));
    parts.push(sheetBox);
    const more = items.length - MOST_TILES;
    if (more > 0) parts.push(el("p", { class: "quiet" }, `and ${count(more)} more`));
    rebuilt(selection, ...parts);
    const across = sheet.columns(tileSide(facts.atlas.side));
    const rows = [];
    for (let i = 0; i < Math.min(items.length, MOST_TILES); i += across) {
      rows.push(items.slice(i, Math.min(i + across, MOST_TILES)));
    }
    sheet.show(
      rows,
      { ...tileLook(page, side, place), picked: state.picked },
      `${state.title}: ${plural(items.length, "item")}. Arrow keys go from one to the next, Enter opens one.`,
    );
  }

  function tally(side, items, place) {
    const clusters = side.part("cluster", place);
    const counts = counted(items.map((i) => (isNoise(page, clusters[i]) ? facts.n_ids : clusters[i])));
    const entries = counts.map(([cluster, number]) => [[chip(page, cluster)], number]);
    return listing(side.letter ? `Clusters in ${side.letter}` : "Clusters", entries, items.length);
  }

  function classTally(items) {
    const counts = counted(items.map((i) => page.labels[i]));
    const entries = counts.map(([label, number]) => [[label === NOTHING ? "unknown" : facts.class_names[label]], number]);
    return listing("True classes", entries, items.length);
  }

  return {
    update(state, places) {
      rebuilt(biography, ...(state.picked >= 0 ? life(state.picked, places) : []));
      if (state.chosen) group(state, places);
      else selection.replaceChildren(...(state.picked < 0 ? hint() : []));
    },
  };
}

function counted(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

function listing(title, entries, total) {
  const shown = entries.slice(0, MOST_BARS).map(([words, number]) =>
    el("span", { class: "share" }, words, ` ${count(number)} (${percent(number / total)})`),
  );
  const more = entries.length > MOST_BARS ? ` and ${entries.length - MOST_BARS} more` : "";
  return el("p", { class: "tally" }, el("b", {}, `${title}: `), shown, more);
}

// Value and first place of each stretch of equal values.
function stretches(values) {
  return values.map((value, i) => [value, i]).filter(([value, i]) => !i || values[i - 1] !== value);
}

export function itemCalled(page, text) {
  const wanted = text.trim();
  const named = page.facts.names.findIndex((name) => name === wanted);
  if (named >= 0) return named;
  if (/^\d+$/.test(wanted)) return page.items.indexOf(Number(wanted));
  return wanted ? page.facts.names.findIndex((name) => name.includes(wanted)) : -1;
}

export function drawTile(page, canvas, item) {
  if (!page.atlas) return;
  const { side, columns } = page.facts.atlas;
  const [left, top] = [(item % columns) * side, Math.floor(item / columns) * side];
  canvas.getContext("2d").drawImage(page.atlas, left, top, side, side, 0, 0, canvas.width, canvas.height);
}
