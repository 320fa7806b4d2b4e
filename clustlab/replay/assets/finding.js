// Finding dots of a map: the nearest one to a place, those inside an outline, and those in sight.
//
// placeOf(dot) gives where a dot is drawn, { x, y }; counts(dot) whether it is drawn at all.

const GRID = 96; // cells along each side of what finds the nearest dot

// Dots sorted by the cell of a grid that they are in. The grid lies between two opposite corners.
export function sortedDots(places, [least, most]) {
  const cell = (value, axis) => {
    const share = (value - least[axis]) / (most[axis] - least[axis] || 1);
    return Math.min(GRID - 1, Math.max(0, Math.floor(share * GRID)));
  };
  const starts = new Uint32Array(GRID * GRID + 1);
  const own = new Uint32Array(places.x.length);
  for (let i = 0; i < own.length; i++) {
    own[i] = cell(places.x[i], "x") + GRID * cell(places.y[i], "y");
    starts[own[i] + 1]++;
  }
  for (let i = 0; i < GRID * GRID; i++) starts[i + 1] += starts[i];
  const next = starts.slice();
  const order = new Uint32Array(own.length);
  for (let i = 0; i < own.length; i++) order[next[own[i]]++] = i;
  return { starts, order, cell };
}

// The dot nearest to a place, no further away than `reach`; -1 if there is none.
export function nearestDot({ starts, order, cell }, { x, y }, reach, placeOf, counts) {
  let best = -1;
  let least = reach * reach;
  for (let row = cell(y - reach, "y"); row <= cell(y + reach, "y"); row++) {
    const [first, last] = [row * GRID + cell(x - reach, "x"), row * GRID + cell(x + reach, "x")];
    for (let k = starts[first]; k < starts[last + 1]; k++) {
      const i = order[k];
      if (!counts(i)) continue;
      const place = placeOf(i);
      const gap = (place.x - x) ** 2 + (place.y - y) ** 2;
      if (gap <= least) [best, least] = [i, gap];
    }
  }
  return best;
}

// Which of n dots lie inside an outline of corners { x, y }, by the even-odd rule.
export function dotsInside(corners, n, placeOf, counts) {
  const [low, high] = [Math.min, Math.max].map((end) => end(...corners.map(({ x }) => x)));
  const found = [];
  for (let i = 0; i < n; i++) {
    const { x, y } = placeOf(i);
    if (x < low || x > high || !counts(i)) continue;
    let isIn = false;
    for (let a = 0, b = corners.length - 1; a < corners.length; b = a++) {
      const [one, other] = [corners[a], corners[b]];
      const crosses = one.y > y !== other.y > y;
      if (crosses && x < ((other.x - one.x) * (y - one.y)) / (other.y - one.y) + one.x) isIn = !isIn;
    }
    if (isIn) found.push(i);
  }
  return found;
}

// Which of n dots lie between two opposite corners; null if they are more than `most`.
export function dotsBetween([least, farthest], n, most, placeOf, counts) {
  const found = [];
  for (let i = 0; i < n; i++) {
    const { x, y } = placeOf(i);
    if (x < least.x || x > farthest.x || y < least.y || y > farthest.y || !counts(i)) continue;
    if (found.push(i) > most) return null;
  }
  return found;
}
