// Rows of images on a canvas, out of the one picture that has all of them.

import { el } from "./drawing.js";

const BORDER = 2;
const GAP = 1;

// Side of a tile on the screen: whole multiples of small images, so that their pixels are equal.
export function tileSide(atlasSide) {
  if (atlasSide >= 28) return Math.min(atlasSide, 48);
  return atlasSide * Math.ceil(28 / atlasSide);
}

export const pitchOf = (side) => side + 2 * BORDER + GAP;

// options: label, onPick(item), words(item). Arrow keys go from image to image, Enter opens one.
export function createSheet(element, page, options) {
  const canvas = el("canvas", { class: "sheet", tabindex: "0", role: "img" });
  const told = el("span", { class: "unseen", "aria-live": "polite" });
  element.replaceChildren(canvas, told);
  const paper = canvas.getContext("2d");
  let rows = [];
  let how = {};
  let cursor = null; // [row, column] of the keyboard

  const pitch = () => pitchOf(how.side);

  // How many tiles of a side fit beside each other.
  function columns(side) {
    return Math.max(Math.floor((element.clientWidth - GAP) / pitchOf(side)), 1);
  }

  function draw() {
    const scale = window.devicePixelRatio || 1;
    const wide = Math.max(...rows.map((row) => row.length), 0) * pitch() + GAP;
    const high = rows.length * pitch() + GAP;
    canvas.width = Math.round(wide * scale);
    canvas.height = Math.round(high * scale);
    canvas.style.width = `${wide}px`;
    canvas.style.height = `${high}px`;
    paper.setTransform(scale, 0, 0, scale, 0, 0);
    const { side: own } = page.facts.atlas;
    paper.imageSmoothingEnabled = own > how.side * scale;
    rows.forEach((row, y) => row.forEach((item, x) => tile(item, x * pitch() + GAP, y * pitch() + GAP)));
    if (cursor) outline(...cursor);
  }

  function tile(item, x, y) {
    const { side: own, columns: across } = page.facts.atlas;
    const side = how.side;
    paper.fillStyle = how.frame(item);
    paper.fillRect(x, y, side + 2 * BORDER, side + 2 * BORDER);
    if (page.atlas) {
      const [left, top] = [(item % across) * own, Math.floor(item / across) * own];
      paper.drawImage(page.atlas, left, top, own, own, x + BORDER, y + BORDER, side, side);
    }
    if (how.isWrong?.(item)) mark(x, y);
    if (item === how.picked) {
      paper.lineWidth = 3;
      paper.strokeStyle = getComputedStyle(canvas).color;
      paper.strokeRect(x + 1.5, y + 1.5, side + 1, side + 1);
    }
  }

  function mark(x, y) {
    const right = x + how.side + 2 * BORDER;
    paper.fillStyle = page.facts.wrong;
    paper.beginPath();
    paper.moveTo(right - 10, y);
    paper.lineTo(right, y);
    paper.lineTo(right, y + 10);
    paper.fill();
  }

  function outline(row, column) {
    paper.lineWidth = 2;
    paper.strokeStyle = getComputedStyle(canvas).outlineColor;
    paper.strokeRect(column * pitch() + 1, row * pitch() + 1, pitch() - 1, pitch() - 1);
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / pitch());
    const row = Math.floor((event.clientY - box.top) / pitch());
    return rows[row]?.[column] ?? -1;
  }

  function go(row, column) {
    if (!rows[row]?.length) return;
    cursor = [row, Math.max(0, Math.min(column, rows[row].length - 1))];
    told.textContent = options.words(rows[cursor[0]][cursor[1]]);
    draw();
  }

  // The next row that is not empty, upwards or downwards.
  function goRow(step) {
    let row = cursor[0] + step;
    while (rows[row] && !rows[row].length) row += step;
    go(row, cursor[1]);
  }

  const keys = {
    ArrowLeft: () => go(cursor[0], cursor[1] - 1),
    ArrowRight: () => go(cursor[0], cursor[1] + 1),
    ArrowUp: () => goRow(-1),
    ArrowDown: () => goRow(1),
    Enter: () => options.onPick(rows[cursor[0]][cursor[1]]),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!rows.some((row) => row.length)) return;
    event.preventDefault();
    event.stopPropagation();
    if (cursor) keys[event.key]();
    else go(rows.findIndex((row) => row.length), 0);
  });
  canvas.addEventListener("blur", () => {
    cursor = null;
    draw();
  });
  canvas.addEventListener("click", (event) => at(event) >= 0 && options.onPick(at(event)));
  canvas.addEventListener("pointermove", (event) => options.onHover?.(at(event), event));
  canvas.addEventListener("pointerleave", (event) => options.onHover?.(-1, event));

  return {
    columns,
    // rows: lists of items; how: side, frame(item) its colour, isWrong(item), picked
    show(list, options_, label) {
      [rows, how] = [list, options_];
      if (cursor && !rows[cursor[0]]?.[cursor[1]]) cursor = null;
      canvas.setAttribute("aria-label", label);
      draw();
    },
  };
}
