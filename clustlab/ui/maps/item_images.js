// Small images of items for a map that is looked at close up: many come in one answer, and are kept.

const MOST_KEPT = 3000; // images, those asked for last

// address: of the image of an item, with {index} in it; for numbers joined by hyphens it gives the
// squares of all these, one below the other.
export function createItemImages(address) {
  const kept = new Map(); // { image, x, y, side } by item

  // Fetch the images of some items, if they are not there.
  async function load(items) {
    const missing = items.filter((item) => !kept.has(item));
    for (const item of items.filter((each) => kept.has(each))) keep(item, kept.get(item));
    if (!missing.length) return;
    const answer = await fetch(address.replace("{index}", missing.join("-")));
    if (!answer.ok) throw new Error(`${answer.status} for the images of ${missing.length} items`);
    const image = await createImageBitmap(await answer.blob());
    const side = image.height / missing.length;
    missing.forEach((item, i) => keep(item, { image, x: 0, y: i * side, side }));
    for (const item of kept.keys()) {
      if (kept.size <= MOST_KEPT) break;
      kept.delete(item);
    }
  }

  function keep(item, picture) {
    kept.delete(item); // so that it comes last
    kept.set(item, picture);
  }

  return { load, of: (item) => kept.get(item) ?? null };
}
