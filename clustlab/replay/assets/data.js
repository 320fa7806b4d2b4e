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
  const letters = atob(textOf(id));
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Arrays by name, each { values, shape, row }, where row is how many values a step has.
function unpacked(bytes, contents) {
  const arrays = {};
  let start = 0;
  for (const { name, type, shape } of contents) {
    const Kind = TYPES[type];
    const size = shape.reduce((product, side) => product * side, 1);
    const row = shape[0] ? size / shape[0] : 0;
    const values = new Kind(size);
    for (let byte = 0; byte < Kind.BYTES_PER_ELEMENT; byte++) {
      for (let i = 0; i < size; i++) values[i] |= bytes[start + i] << (8 * byte);
      start += size;
    }
    // from the second step on, differences are kept, which wrap around as sums do here
    if (shape.length > 1) for (let i = row; i < size; i++) values[i] += values[i - row];
    arrays[name] = { values, shape, row };
  }
  return arrays;
}

export async function load() {
  const facts = JSON.parse(textOf("facts"));
  const packs = [inflated(bytesOf("pack-items"))];
  facts.runs.forEach((_, i) => packs.push(inflated(bytesOf(`pack-run-${i}`))));
  if (facts.pair) packs.push(inflated(bytesOf("pack-pair")));
  const picture = createImageBitmap(new Blob([bytesOf("pack-atlas")], { type: "image/webp" }));
  const [items, ...others] = await Promise.all(packs);
  const own = unpacked(items, facts.arrays);
  const count = own.item.values.length;
  const page = {
    facts,
    count,
    items: own.item.values,
    labels: own.label ? own.label.values : null,
    sides: facts.runs.map((run, i) => makeSide(facts, run, unpacked(others[i], run.arrays), i)),
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
  const start = arrays[`${name}.start`].values;
  const cell = arrays[`${name}.cell`].values;
  const count = arrays[`${name}.count`].values;
  const found = [];
  for (let i = start[step]; i < start[step + 1]; i++) {
    found.push([Math.floor(cell[i] / columns), cell[i] % columns, count[i]]);
  }
  return found;
}

// One run of the page. Steps are told by their place among those that the page has of the run.
function makeSide(facts, run, arrays, number) {
  const part = (name, place) => {
    const { values, row } = arrays[name];
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
    // item i at all places
    history: (name, i) => run.steps.map((_, place) => part(name, place)[i]),
  };
}

function makePair(facts, arrays) {
  return {
    verdict: (frame) => arrays.verdict.values.subarray(frame * 5, frame * 5 + 5),
    common: (frame) => cells(arrays, "common", frame, facts.n_ids + 1),
  };
}
