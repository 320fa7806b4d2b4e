// Dots as pixels: each is a small disc, mixed with what lies beneath it.

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
