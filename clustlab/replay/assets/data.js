// What a page holds: facts as JSON, arrays as deflated bytes, images in one picture.

export const NOTHING = 65535; // in place of a number where there is none
const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array };

function textOf(id) {
  const element = document.getElementById(id);
  const text = element.textContent;
  element.remove(); // megabytes that nobody reads again
  return text;
}

function bytesOf(id) {
  const text = textOf(id);
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// What gives an array by its name as { values, row }, where row is how many values a step has.
// Arrays are put together when first asked for: a first look does not need all of them.
function unpacked(bytes, contents) {
  const [places, arrays] = [new Map(), new Map()];
  let start = 0;
  for (const each of contents) {
    places.set(each.name, { ...each, start });
    start += sizeOf(each.shape) * TYPES[each.type].BYTES_PER_ELEMENT;
  }
  return (name) => {
    if (!arrays.has(name)) arrays.set(name, whole(bytes, places.get(name)));
    return arrays.get(name);
  };
}

const sizeOf = (shape) => shape.reduce((product, side) => product * side, 1);

function whole(bytes, { type, shape, start }) {
  const values = new TYPES[type](sizeOf(shape));
  const { length, BYTES_PER_ELEMENT: planes } = values;
  const row = shape[0] ? length / shape[0] : 0;
  for (let plane = 0; plane < planes; plane++) {
    const first = start + plane * length;
    for (let i = 0; i < length; i++) values[i] |= bytes[first + i] << (8 * plane);
  }
  // from the second step on, differences are kept, which wrap around as sums do here
  if (shape.length > 1) for (let i = row; i < length; i++) values[i] += values[i - row];
  return { values, row };
}

export async function load() {
  const facts = JSON.parse(textOf("facts"));
  const packs = [inflated(bytesOf("pack-items"))];
  facts.runs.forEach((_, i) => packs.push(inflated(bytesOf(`pack-run-${i}`))));
  if (facts.pair) packs.push(inflated(bytesOf("pack-pair")));
  const picture = createImageBitmap(new Blob([bytesOf("pack-atlas")], { type: "image/webp" }));
  const [items, ...others] = await Promise.all(packs);
  const own = unpacked(items, facts.arrays);
  const numbers = own("item").values;
  const page = {
    facts,
    count: numbers.length,
    items: numbers,
    labels: facts.arrays.some(({ name }) => name === "label") ? own("label").values : null,
    sides: facts.runs.map((run, i) => makeSide(facts, run, unpacked(others[i], run.arrays), i, numbers.length)),
    pair: facts.pair ? makePair(facts, unpacked(others[facts.runs.length], facts.pair)) : null,
    atlas: null,
  };
  // a page is of use before its images are there
  page.picture = picture.then((atlas) => (page.atlas = atlas));
  return page;
}

// Place of the last of some rising steps that is not after another one.
export function placeOf(step, steps) {
  let place = 0;
  while (place + 1 < steps.length && steps[place + 1] <= step) place++;
  return place;
}

// Cells that are not 0 of the table of one step: [row, column, count].
function cells(arrays, name, step, columns) {
  const [start, cell, count] = ["start", "cell", "count"].map((of) => arrays(`${name}.${of}`).values);
  const found = [];
  for (let i = start[step]; i < start[step + 1]; i++) {
    found.push([Math.floor(cell[i] / columns), cell[i] % columns, count[i]]);
  }
  return found;
}

// One run of the page. Steps are told by their place among those that the page has of the run.
function makeSide(facts, run, arrays, number, count) {
  const part = (name, place) => {
    const { values, row } = arrays(name);
    return values.subarray(place * row, (place + 1) * row);
  };
  return {
    facts: run,
    number,
    letter: facts.runs.length > 1 ? "AB"[number] : "",
    places: facts.frames.map((step) => placeOf(step, run.steps)),
    part,
    confusion: (place) => cells(arrays, "confusion", place, facts.n_ids + 1),
    shifts: (place) => cells(arrays, "shifts", place, facts.n_ids + 1),
    // the items nearest to item i at the first (0) or the last (1) place
    near: (end, i) => {
      const { values, row } = arrays("near");
      const many = row / count;
      return many ? [...values.subarray(end * row + i * many, end * row + (i + 1) * many)] : [];
    },
    // item i at all places
    history: (name, i) => run.steps.map((_, place) => part(name, place)[i]),
  };
}

function makePair(facts, arrays) {
  return {
    verdict: (frame) => arrays("verdict").values.subarray(frame * 5, frame * 5 + 5),
    common: (frame) => cells(arrays, "common", frame, facts.n_ids + 1),
  };
}
