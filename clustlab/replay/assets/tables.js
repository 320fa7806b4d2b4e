// Tables of counts as squares: classes by clusters, clusters before and after.

import { count, el, percent } from "./drawing.js";

const MOST = 4900; // cells drawn
const MOST_TEXTS = 420; // with numbers in them
const FULL = 0.8; // share from which white letters are easier to read in the light theme, too

// The rows and columns that hold most, if there are more cells than are drawn.
function fullest(table) {
  if (table.rows.length * table.columns.length <= MOST) return table;
  const side = Math.floor(Math.sqrt(MOST));
  const cut = (list, place) => {
    const most = place ? Math.floor(MOST / Math.min(table.rows.length, side)) : side;
    const sums = new Map();
    for (const each of table.counts) sums.set(each[place], (sums.get(each[place]) ?? 0) + each[2]);
    const sorted = [...list].sort((a, b) => (sums.get(b.id) ?? 0) - (sums.get(a.id) ?? 0));
    const kept = new Set(sorted.slice(0, most));
    return list.filter((each) => kept.has(each));
  };
  return { ...table, rows: cut(table.rows, 0), columns: cut(table.columns, 1) };
}

function cutWords(table, whole) {
  const part = (name) => `${count(table[name].length)} of ${count(whole[name].length)} ${name}`;
  return `The fullest ${part("rows")} and ${part("columns")} are shown.`;
}

// A table that can be gone through with the arrow keys; Enter or a click chooses a cell.
// options: label, onPick(row, column)
export function createTable(element, options) {
  let shown = null;
  let place = [0, 0];

  function cellAt(row, column) {
    return element.querySelector(`[data-row="${row}"][data-column="${column}"]`);
  }

  function go(row, column) {
    const next = cellAt(row, column);
    if (!next) return;
    cellAt(...place)?.setAttribute("tabindex", "-1");
    place = [row, column];
    next.setAttribute("tabindex", "0");
    next.focus();
  }

  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  element.addEventListener("keydown", (event) => {
    const cell = event.target.closest("[data-row]");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
    const move = moves[event.key];
    if (move) go(row + move[0], column + move[1]);
    else if (event.key === "Enter" || event.key === " ") pick(row, column);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  element.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-row]");
    if (cell) pick(Number(cell.dataset.row), Number(cell.dataset.column));
  });

  function pick(row, column) {
    options.onPick(shown.rows[row].id, shown.columns[column].id);
  }

  // rows, columns: { id, words }; counts: [row id, column id, number]; isOutlined(row, column)
  function show(table) {
    const held = element.contains(document.activeElement);
    const whole = table;
    table = fullest(table);
    shown = table;
    const size = table.rows.length * table.columns.length;
    const [rowOf, columnOf] = [table.rows, table.columns].map(
      (list) => new Map(list.map((each, i) => [each.id, i])),
    );
    const numbers = table.rows.map(() => new Array(table.columns.length).fill(0));
    const totals = new Array(table.rows.length).fill(0);
    for (const [row, column, number] of table.counts) {
      const [y, x] = [rowOf.get(row), columnOf.get(column)];
      if (y === undefined) continue;
      totals[y] += number;
      if (x !== undefined) numbers[y][x] = number;
    }
    place = [Math.min(place[0], table.rows.length - 1), Math.min(place[1], table.columns.length - 1)];
    const isSmall = size > MOST_TEXTS || table.columns.length > 22;
    const longest = Math.max(...table.columns.map(({ words }) => words.length), 0);
    const isSteep = longest > 8 || (longest > 3 && table.columns.length > 6);
    const head = el(
      "tr",
      {},
      el("th", { class: "corner" }, table.corner),
      table.columns.map(({ words }) => el("th", { scope: "col", title: words }, el("span", {}, words))),
    );
    const body = table.rows.map(({ words }, y) =>
      el(
        "tr",
        {},
        el("th", { scope: "row", title: words }, words),
        numbers[y].map((number, x) => cell(table, number, totals[y], y, x, isSmall)),
      ),
    );
    const classes = ["counts", isSmall && "small", isSteep && "steep"].filter(Boolean).join(" ");
    const isCut = table !== whole;
    element.replaceChildren(
      isCut ? el("p", { class: "quiet" }, cutWords(table, whole)) : "",
      el(
        "table",
        { class: classes, role: "grid", "aria-label": table.label },
        el("thead", {}, head),
        el("tbody", {}, body),
      ),
    );
    if (held) cellAt(...place)?.focus({ preventScroll: true });
  }

  function cell(table, number, total, y, x, isSmall) {
    const [row, column] = [table.rows[y], table.columns[x]];
    const share = total ? number / total : 0;
    const outlined = table.isOutlined(row.id, column.id);
    const words = table.cellWords(row.id, column.id, number, percent(total ? share : NaN));
    const classes = ["cell", outlined && "matched", share >= FULL && "full"].filter(Boolean).join(" ");
    return el(
      "td",
      {
        class: classes,
        role: "gridcell",
        tabindex: y === place[0] && x === place[1] ? "0" : "-1",
        "data-row": y,
        "data-column": x,
        "aria-label": words,
        title: words,
      },
      el("i", { style: { opacity: share } }),
      el("b", {}, isSmall || !number ? "" : count(number)),
    );
  }

  return { show };
}
