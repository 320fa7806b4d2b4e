// Dots as pixels: each is a small disc, mixed with what lies beneath it. Very many are told by how
// many lie on each pixel.

const PARTS = 8; // of a dot that are told apart on a pixel
const MOST_TOLD = 256; // dots on a pixel from which more make no difference
const CROWDED = 16; // dots on the fullest pixels from which a dot alone is as pale as it gets
const PALER = 0.55; // share of its opacity that a dot alone loses there
const FULLEST = 0.005; // share of pixels that are as strong as any

// Red, green and blue of a colour as styles write it: #rrggbb, or rgb(...) once it is computed.
export function rgb(colour) {
  if (colour[0] === "#") return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return colour.match(/[\d.]+/g).slice(0, 3).map(Number);
}

export function packed([r, g, b]) {
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
}

// A disc: offsets in an image so many pixels wide, and how much of each pixel it covers, 0 to 255.
export function disc(radius, wide) {
  const reach = Math.ceil(radius);
  const [offsets, covers] = [[], []];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(x, y)));
      if (cover > 0) {
        offsets.push(x + y * wide);
        covers.push(cover * 255);
      }
    }
  }
  return { reach, offsets: Int32Array.from(offsets), covers: Float32Array.from(covers) };
}

// Put a disc at each dot for which there is a colour into an image of packed pixels.
// place: { x, y } of the dots, 0 to 1; at: where these shares lie in the image, in pixels.
export function putDiscs(pixels, { width, height }, place, at, { reach, offsets, covers }, opacity, colourOf) {
  for (let i = 0; i < place.x.length; i++) {
    const colour = colourOf(i);
    if (!colour) continue;
    const x = Math.round(at.left + Math.min(at.most.x, Math.max(at.least.x, place.x[i])) * at.scale);
    const y = Math.round(at.top - Math.min(at.most.y, Math.max(at.least.y, place.y[i])) * at.scale);
    if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
    const [r, g, b] = colour;
    const middle = x + y * width;
    for (let p = 0; p < offsets.length; p++) {
      const spot = middle + offsets[p];
      const share = covers[p] * opacity;
      const rest = 255 - share;
      const old = pixels[spot];
      pixels[spot] =
        0xff000000 |
        ((b * share + ((old >> 16) & 255) * rest) / 255) << 16 |
        ((g * share + ((old >> 8) & 255) * rest) / 255) << 8 |
        ((r * share + (old & 255) * rest) / 255);
    }
  }
}

// Put so many dots into an image that many lie on one pixel: as `putDiscs`, but a pixel has the mean
// colour of its dots, the stronger the more there are. Where none lie on each other it is the same.
// sums: four numbers for each pixel, all 0 before and afterwards.
export function putDense(pixels, size, place, at, { reach, offsets, covers }, opacity, colourOf, sums) {
  const { width, height } = size;
  let [highest, lowest] = [height, 0]; // rows with dots
  for (let i = 0; i < place.x.length; i++) {
    const colour = colourOf(i);
    if (!colour) continue;
    const x = Math.round(at.left + Math.min(at.most.x, Math.max(at.least.x, place.x[i])) * at.scale);
    const y = Math.round(at.top - Math.min(at.most.y, Math.max(at.least.y, place.y[i])) * at.scale);
    if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
    const middle = x + y * width;
    if (y < highest) highest = y;
    if (y > lowest) lowest = y;
    for (let p = 0; p < offsets.length; p++) {
      const sum = 4 * (middle + offsets[p]);
      const cover = covers[p] / 255;
      sums[sum] += colour[0] * cover;
      sums[sum + 1] += colour[1] * cover;
      sums[sum + 2] += colour[2] * cover;
      sums[sum + 3] += cover;
    }
  }
  const [first, end] = [Math.max(0, highest - reach) * width, (lowest + reach + 1) * width];
  const shares = strengths(sums.subarray(4 * first, 4 * end), opacity);
  for (let spot = first, sum = 4 * first; spot < end; spot++, sum += 4) {
    const many = sums[sum + 3];
    if (many === 0) continue;
    const share = shares[Math.min(shares.length - 1, Math.round(many * PARTS))];
    const [own, rest] = [share / many, 1 - share];
    const old = pixels[spot];
    pixels[spot] =
      0xff000000 |
      (sums[sum + 2] * own + ((old >> 16) & 255) * rest) << 16 |
      (sums[sum + 1] * own + ((old >> 8) & 255) * rest) << 8 |
      (sums[sum] * own + (old & 255) * rest);
    sums[sum] = sums[sum + 1] = sums[sum + 2] = sums[sum + 3] = 0;
  }
}

// Share of dots in the colour of a pixel, by how many parts of a dot lie on it: it grows with the
// logarithm of their number, up to that of the fullest pixels.
function strengths(sums, opacity) {
  const pixelsOf = new Uint32Array(MOST_TOLD * PARTS + 1);
  let covered = 0;
  for (let sum = 3; sum < sums.length; sum += 4) {
    if (sums[sum] < 1) continue;
    pixelsOf[Math.min(pixelsOf.length - 1, Math.round(sums[sum] * PARTS))]++;
    covered++;
  }
  let most = pixelsOf.length - 1;
  for (let fuller = pixelsOf[most]; most > PARTS && fuller <= covered * FULLEST; ) fuller += pixelsOf[--most];
  const crowd = most / PARTS;
  const alone = opacity * (1 - PALER * Math.min(1, Math.log(crowd) / Math.log(CROWDED)));
  const top = 1 - (1 - opacity) ** 4; // as strong as four discs on each other
  return Float32Array.from(pixelsOf, (_, parts) => {
    const many = parts / PARTS;
    if (many < 1) return alone * many;
    return alone + (top - alone) * Math.min(1, Math.log(many) / Math.log(Math.max(crowd, 4)));
  });
}
