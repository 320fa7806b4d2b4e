// Figures over the steps as small charts, and the line above the scrubber.

import { amount, el, scoreText } from "./drawing.js";

const WIDE = 168;
const HIGH = 62;
const EDGE = 3;

function range(lists) {
  const values = lists.flat().filter((value) => value !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

// Stretches of a line, broken where there is no value.
function path(steps, values, x, y) {
  let isDrawn = false;
  const parts = steps.map((step, i) => {
    if (values[i] === null) {
      isDrawn = false;
      return "";
    }
    const part = `${isDrawn ? "L" : "M"}${x(step).toFixed(1)} ${y(values[i]).toFixed(1)}`;
    isDrawn = true;
    return part;
  });
  const line = parts.join("");
  // a single value has no line, so it gets a dot
  return line.includes("L") ? line : line.replace(/M(\S+) (\S+)/g, "M$1 $2h.01");
}

// One figure over the steps, one line for each run that has it.
// lines: { steps, values, letter }; last: greatest step; onStep(step)
function chart({ title, meaning, lines, written, bounds }, last, readAnew, onStep) {
  const [low, high] = bounds ?? range(lines.map((line) => line.values));
  const x = (step) => EDGE + (step / Math.max(last, 1)) * (WIDE - 2 * EDGE);
  const y = (value) => HIGH - EDGE - ((value - low) / (high - low)) * (HIGH - 2 * EDGE);
  const marker = el("line", { class: "here", y1: 0, y2: HIGH });
  const dots = lines.map((_, i) => el("path", { class: `dot line-${i}` }));
  const values = el("span", { class: "values" });
  const drawing = el(
    "svg",
    { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    readAnew.map((step) => el("line", { class: "anew", x1: x(step), x2: x(step), y1: 0, y2: HIGH })),
    lines.map((line, i) =>
      el("path", { class: `curve line-${i}`, d: path(line.steps, line.values, x, y) }),
    ),
    marker,
    dots,
  );
  drawing.addEventListener("pointerdown", (event) => {
    const box = drawing.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width) * WIDE - EDGE;
    onStep(Math.round((share / (WIDE - 2 * EDGE)) * last));
  });
  const figureElement = el(
    "figure",
    { class: "curve-box" },
    el("figcaption", { title: meaning ?? title }, el("span", { class: "name" }, title), values),
    drawing,
  );
  function update(steps) {
    marker.setAttribute("x1", x(steps[0]));
    marker.setAttribute("x2", x(steps[0]));
    const texts = lines.map((line, i) => {
      const place = line.steps.indexOf(Math.min(steps[line.side], line.steps.at(-1)));
      const value = place < 0 ? null : line.values[place];
      dots[i].style.display = value === null ? "none" : "";
      if (value !== null) {
        dots[i].setAttribute("d", `M${x(line.steps[place])} ${y(value)}h.01`); // round in any box
      }
      return `${line.letter ? `${line.letter} ` : ""}${written(value)}`;
    });
    values.textContent = texts.join("  ");
  }
  return { element: figureElement, update };
}

// All figures of all runs; those of `leading` first, the rest to be opened.
export function createCurves(element, page, onStep) {
  const { facts, sides } = page;
  const last = facts.frames.at(-1);
  const anew = [...new Set(sides.flatMap((side) => side.facts.read_anew))];
  const linesOf = (pick) =>
    sides
      .map((side) => ({ side: side.number, letter: side.letter, steps: side.facts.curve_steps, values: pick(side.facts) }))
      .filter((line) => line.values);
  const charts = [];

  function score(key) {
    const words = facts.score_words[key];
    const lines = linesOf((run) => run.scores[key]);
    if (!lines.length) return null;
    const bounds = words.is_count ? undefined : [Math.min(0, range(lines.map((l) => l.values))[0]), 1];
    const one = chart(
      { title: words.title, meaning: words.meaning, lines, bounds, written: (v) => scoreText(words, v) },
      last,
      anew,
      onStep,
    );
    charts.push(one);
    return one.element;
  }

  function scalar({ key, words, unit }) {
    const lines = linesOf((run) => run.scalars.find((each) => each.key === key)?.values);
    const title = unit ? `${words} (${unit})` : words;
    const one = chart({ title, lines, written: amount }, last, anew, onStep);
    charts.push(one);
    return one.element;
  }

  const keys = Object.keys(facts.score_words);
  const first = [...facts.leading.slice(0, 3), "changed", "confidence", "n_occupied"];
  const leading = [...new Set(first)].map(score).filter(Boolean);
  const others = keys.filter((key) => !first.includes(key)).map(score).filter(Boolean);
  const scalars = new Map(sides.flatMap((side) => side.facts.scalars.map((s) => [s.key, s])));
  const reported = [...scalars.values()].filter((s) => linesOf((run) => run.scalars.find((each) => each.key === s.key)?.values.some((v) => v !== null) || null).length).map(scalar);
  const folded = (title, list) =>
    list.length
      ? el("details", { class: "more" }, el("summary", {}, title), el("div", { class: "curves" }, list))
      : null;
  element.append(
    ...[
      el("div", { class: "curves" }, leading),
      folded("More scores", others),
      folded("What training reported", reported),
    ].filter(Boolean),
  );
  return { update: (steps) => charts.forEach((each) => each.update(steps)) };
}

// Share of labels changed at each step, with marks where alarms begin and clusters are made anew.
export function sparkline(page) {
  const { facts, sides } = page;
  const last = Math.max(facts.frames.at(-1), 1);
  const [wide, high] = [1000, 30];
  const lines = sides.map((side) => side.facts.scores.changed ?? []);
  const most = Math.max(...lines.flat().filter((v) => v !== null), 0.01);
  const x = (step) => (step / last) * wide;
  const drawn = sides.map((side, i) =>
    el("path", {
      class: `curve line-${i}`,
      d: path(side.facts.curve_steps, lines[i].length ? lines[i] : side.facts.curve_steps.map(() => null), x, (v) => high - 2 - (v / most) * (high - 6)),
    }),
  );
  const marks = sides.flatMap((side) => [
    ...side.facts.read_anew.map((s) => el("line", { class: "anew", x1: x(s), x2: x(s), y1: 0, y2: high })),
    ...side.facts.alarms.map((a) =>
      el("line", { class: "alarm", x1: x(a.step), x2: x(a.step), y1: high - 9, y2: high }),
    ),
  ]);
  return el(
    "svg",
    { class: "spark", viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    drawn,
    marks,
  );
}
