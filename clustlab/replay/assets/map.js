// A map of many dots on a canvas: glides from step to step, zooms, and lets dots be chosen.
//
// createMap(element, options) draws into an element and returns what steers it. It knows nothing of
// runs, pages or Streamlit, and keeps nothing outside itself.
//
// options: label (what it shows, in words), onHover(dot, event), onPick(dot),
// onSelect(dots, adds, area), onClear(), onSight(dots): pictures of these would be drawn, if the map
// had them, now that it rests. A dot is its number; onHover gets -1 where there is none.
// An area is { shape: "rectangle" or "polygon", corners: [[x, y]], rim: [[x, y], [x, y]] }: dots
// beyond the rim, which is told by two opposite corners, are drawn at it.
//
// Places are whole numbers from 0 to 65535; y points up.

import { dotsBetween, dotsInside, nearestDot, sortedDots } from "./finding.js";
import { disc, packed, putDense, putDiscs, rgb } from "./raster.js";
import { strokeMark, strokeOutline, strokePicture, strokeRing, strokeTrail } from "./strokes.js";

const GLIDE = 300; // ms
const NEAR = 9; // px within which a dot is under the pointer
const CLICK = 4; // px that a hand may tremble
const FARTHEST = 40; // times; more for maps of more dots, so that single ones can be told apart
const MOST_PICTURED = 150; // dots in sight that are drawn as their pictures
const PICTURE = [18, 64]; // px that a picture's side has at least and at most
const MANY = 10_000; // dots from which they are told by how many lie on each pixel
const REST = 150; // ms without a movement until pictures are asked for
const RIM = 6; // px around the dots furthest out
const SPAN = 65535;
const MOST_CORNERS = 60; // of what is drawn to select
const WHOLE = { x: 0.5, y: 0.5, width: 1, height: 1 };

const STILL = window.matchMedia("(prefers-reduced-motion: reduce)");

export function createMap(element, options) {
  const dots = document.createElement("canvas");
  const over = document.createElement("canvas");
  dots.className = "map-dots";
  over.className = "map-over";
  dots.tabIndex = 0;
  dots.setAttribute("role", "img");
  dots.setAttribute("aria-label", options.label);
  element.replaceChildren(dots, over);

  const paper = dots.getContext("2d", { willReadFrequently: true });
  const ink = over.getContext("2d");
  let image = null; // pixels that dots are drawn into
  let sums = null; // of what lies on each pixel
  let now = { x: new Float32Array(0), y: new Float32Array(0) }; // where dots are drawn, 0 to 1
  let from = now;
  let to = now;
  let gliding = 0; // number of the frame that is asked for, if any
  let began = 0;
  let colours = new Uint16Array(0); // of each dot, a place in the palette
  let palette = [[128, 128, 128]];
  let hidden = null; // of each place in the palette, whether its dots are left out; null if none is
  let chosen = null; // of each dot, whether it is; null if none is
  let marks = []; // { x, y, text, colour }; without a colour the text stands alone
  let ground = null; // { image, x, y, width, height } beneath the dots
  let trail = []; // { x, y, colour } of one dot over the steps
  let wakes = []; // lines of { x, y }: where some dots came from
  let ringed = -1; // the dot that is looked at
  let hovered = -1;
  let stroke = null; // what is being drawn: points in px
  let mode = "lasso";
  let grid = null;
  let frame = WHOLE; // what is in sight before anybody zooms, by its middle and size
  const view = { x: 0.5, y: 0.5, zoom: 1 };
  let asked = 0;
  let pictureOf = null; // gives the picture of a dot, null while there is none
  let pictured = { dots: [], side: 0 }; // what is drawn as pictures, and their size in px
  let resting = 0;

  // -- where things are -------------------------------------------------------------------------
  const scale = () => window.devicePixelRatio || 1;
  // Pixels of a unit before anybody zooms, and now.
  const fit = () => {
    const [w, h] = [dots.clientWidth - 2 * RIM, dots.clientHeight - 2 * RIM];
    return Math.max(Math.min(w / frame.width, h / frame.height), 1);
  };
  const side = () => fit() * view.zoom;
  const left = (x) => dots.clientWidth / 2 + (x - view.x) * side();
  const top = (y) => dots.clientHeight / 2 - (y - view.y) * side();
  const spotOf = ({ x, y, ...more }) => ({ x: left(x), y: top(y), ...more });
  const isZoomed = () => view.zoom > 1;
  const farthest = () => Math.max(FARTHEST, Math.sqrt(now.x.length) / 6);

  // The lower left and the upper right of what is in sight before anybody zooms.
  function rim() {
    const [w, h] = [dots.clientWidth, dots.clientHeight].map((px) => Math.max(px / 2 - RIM, 0) / fit());
    return [{ x: frame.x - w, y: frame.y - h }, { x: frame.x + w, y: frame.y + h }];
  }

  function unit(values) {
    const shares = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) shares[i] = values[i] / SPAN;
    return shares;
  }

  const shares = (list) => list.map((each) => ({ ...each, x: each.x / SPAN, y: each.y / SPAN }));

  function radius() {
    const usual = Math.min(3.4, Math.max(0.6, 180 / Math.sqrt(now.x.length || 1)));
    return usual * Math.min(1 + Math.log2(view.zoom) / 3, 2);
  }

  // -- drawing ----------------------------------------------------------------------------------
  function resize() {
    const wide = Math.round(element.clientWidth * scale());
    const high = Math.round(element.clientHeight * scale());
    if (!wide || !high || (dots.width === wide && dots.height === high)) return;
    for (const canvas of [dots, over]) [canvas.width, canvas.height] = [wide, high];
    image = grid = sums = null;
    bound();
  }

  function redraw() {
    if (!asked) asked = requestAnimationFrame(paint);
  }

  function paint() {
    asked = 0;
    paintDots();
    paintOver();
  }

  function paintDots() {
    const { width, height } = dots;
    if (!width || !height) return;
    const style = getComputedStyle(dots);
    const grey = rgb(style.color);
    if (ground) {
      paintGround(style.backgroundColor);
      image = paper.getImageData(0, 0, width, height);
    }
    image ??= paper.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    if (!ground) pixels.fill(packed(rgb(style.backgroundColor)));
    const size = radius() * scale();
    const isDense = now.x.length >= MANY;
    if (isDense) sums ??= new Float32Array(4 * width * height);
    const put = (larger, ...how) =>
      (isDense ? putDense : putDiscs)(pixels, dots, now, inPixels(), disc(size * larger, width), ...how, sums);
    const shown = (i) => (hidden?.[colours[i]] ? null : palette[colours[i]]);
    if (chosen) {
      put(1, 0.3, (i) => (chosen[i] || hidden?.[colours[i]] ? null : grey));
      put(1.25, 1, (i) => (chosen[i] ? shown(i) : null));
    } else {
      put(1, 0.8, shown);
    }
    paper.putImageData(image, 0, 0);
    paintPictures(style);
  }

  // Close up, dots are drawn as their pictures.
  function paintPictures({ color, backgroundColor }) {
    pictured = { dots: [], side: 0 };
    clearTimeout(resting);
    if (!pictureOf) return;
    const [w, h] = [dots.clientWidth, dots.clientHeight];
    const sight = [at(0, h), at(w, 0)];
    const found = isZoomed() && dotsBetween(sight, now.x.length, MOST_PICTURED, (dot) => placeOf(now, dot), counts);
    const known = (found || []).filter(pictureOf);
    if (known.length) {
      const [least, most] = PICTURE;
      pictured = { dots: known, side: Math.min(most, Math.max(least, 0.55 * Math.sqrt((w * h) / found.length))) };
      paper.setTransform(scale(), 0, 0, scale(), 0, 0);
      const isGrey = (dot) => chosen && !chosen[dot];
      for (const dot of [...known.filter(isGrey), ...known.filter((dot) => !isGrey(dot))]) {
        const colour = isGrey(dot) ? color : `rgb(${palette[colours[dot]]})`;
        const box = { ...spotOf(placeOf(now, dot)), side: pictured.side };
        strokePicture(paper, box, pictureOf(dot), colour, isGrey(dot) ? backgroundColor : null);
      }
      paper.setTransform(1, 0, 0, 1, 0, 0);
    }
    element.dataset.pictures = known.length;
    if (known.length < (found || []).length) resting = setTimeout(() => options.onSight?.(found), REST);
  }

  function inPixels() {
    const factor = side() * scale();
    const [least, most] = rim();
    const [middle, centre] = [dots.width / 2 - view.x * factor, dots.height / 2 + view.y * factor];
    return { left: middle, top: centre, scale: factor, least, most };
  }

  function paintGround(colour) {
    paper.fillStyle = colour;
    paper.fillRect(0, 0, dots.width, dots.height);
    paper.imageSmoothingEnabled = false;
    const { x, y, width, height, image: picture } = ground;
    const [across, down] = [width, height].map((part) => part * side() * scale());
    paper.drawImage(picture, left(x - width / 2) * scale(), top(y + height / 2) * scale(), across, down);
  }

  function paintOver() {
    const { color } = getComputedStyle(over);
    const { backgroundColor } = getComputedStyle(dots);
    ink.setTransform(scale(), 0, 0, scale(), 0, 0);
    ink.clearRect(0, 0, over.width, over.height);
    for (const wake of wakes) strokeTrail(ink, wake.map(spotOf), color, 0.3);
    if (trail.length > 1) strokeTrail(ink, trail.map(spotOf), color, 0.6);
    for (const mark of marks) strokeMark(ink, spotOf(mark), color, backgroundColor);
    const reach = pictured.side ? 0.72 * pictured.side + 2 : radius() + 4;
    for (const dot of [hovered, ringed]) {
      if (!(dot >= 0 && dot < now.x.length)) continue;
      strokeRing(ink, spotOf(placeOf(now, dot)), reach, dot === ringed ? 2.5 : 1.5, color);
    }
    if (stroke && stroke.length > 1) strokeOutline(ink, outline(), color);
  }

  // -- gliding ----------------------------------------------------------------------------------
  function glide(x, y, still) {
    cancelAnimationFrame(gliding);
    gliding = 0;
    grid = null;
    to = { x: unit(x), y: unit(y) };
    if (still || STILL.matches || now.x.length !== to.x.length) {
      now = to;
      redraw();
      return;
    }
    from = { x: now.x.slice(), y: now.y.slice() }; // also where an earlier glide was broken off
    now = { x: now.x.slice(), y: now.y.slice() };
    began = 0;
    gliding = requestAnimationFrame(tick);
  }

  function tick(time) {
    began ||= time;
    const share = Math.min((time - began) / GLIDE, 1);
    const eased = share * share * (3 - 2 * share);
    for (let i = 0; i < to.x.length; i++) {
      now.x[i] = from.x[i] + (to.x[i] - from.x[i]) * eased;
      now.y[i] = from.y[i] + (to.y[i] - from.y[i]) * eased;
    }
    paint();
    gliding = share < 1 ? requestAnimationFrame(tick) : 0;
  }

  // -- finding dots -----------------------------------------------------------------------------
  // Where a dot is drawn: at the rim, if it lies beyond it.
  function placeOf(places, dot) {
    const [least, most] = rim();
    const x = Math.min(most.x, Math.max(least.x, places.x[dot]));
    return { x, y: Math.min(most.y, Math.max(least.y, places.y[dot])) };
  }

  const counts = (dot) => !hidden?.[colours[dot]];

  function nearest(px, py) {
    if (gliding) return -1;
    grid ??= sortedDots(now, rim());
    const reach = Math.max(NEAR, pictured.side / 2);
    return nearestDot(grid, at(px, py), reach / side(), (dot) => placeOf(now, dot), counts);
  }

  function outline() {
    if (mode === "lasso") {
      const every = Math.ceil(stroke.length / MOST_CORNERS);
      return stroke.filter((_, i) => i % every === 0);
    }
    const [[a, b], [c, d]] = [stroke[0], stroke[stroke.length - 1]];
    return [[a, b], [c, b], [c, d], [a, d]];
  }

  const whole = ({ x, y }) => [Math.round(x * SPAN), Math.round(y * SPAN)];

  // An area by its corners in pixels.
  function area(shape, corners) {
    return { shape, corners: corners.map(([px, py]) => whole(at(px, py))), rim: rim().map(whole) };
  }

  function choose({ shape, corners }, adds) {
    options.onSelect?.(inside(corners), adds, area(shape, corners));
  }

  function inside(ring) {
    const corners = ring.map(([px, py]) => at(px, py));
    return dotsInside(corners, to.x.length, (dot) => placeOf(to, dot), counts);
  }

  // -- the pointer ------------------------------------------------------------------------------
  let grabbed = null; // where the map was taken hold of, to move it

  // The place under a spot in pixels.
  function at(px, py) {
    const x = view.x + (px - dots.clientWidth / 2) / side();
    return { x, y: view.y - (py - dots.clientHeight / 2) / side() };
  }

  function spot(event) {
    const box = dots.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function onDown(event) {
    if (event.button > 1) return;
    dots.focus({ preventScroll: true });
    dots.setPointerCapture(event.pointerId);
    if (event.button === 1 || event.altKey || mode === "move") {
      grabbed = { at: spot(event), x: view.x, y: view.y };
      event.preventDefault();
      return;
    }
    stroke = [spot(event)];
    hover(-1, event);
  }

  function onMove(event) {
    const [x, y] = spot(event);
    if (grabbed) {
      view.x = grabbed.x - (x - grabbed.at[0]) / side();
      view.y = grabbed.y + (y - grabbed.at[1]) / side();
      bound();
    } else if (stroke) {
      stroke.push([x, y]);
      redraw();
    } else {
      hover(nearest(x, y), event);
    }
  }

  function onUp(event) {
    const drawn = stroke;
    if (drawn) {
      const [[x, y], end] = [drawn[0], spot(event)];
      const far = drawn.some(([a, b]) => Math.hypot(a - x, b - y) > CLICK);
      const shape = mode === "lasso" ? "polygon" : "rectangle";
      if (far) choose({ shape, corners: outline() }, event.shiftKey);
      else if (nearest(...end) >= 0) options.onPick?.(nearest(...end));
      else options.onClear?.();
    }
    onLeave(event);
  }

  function onLeave(event) {
    stroke = grabbed = null;
    hover(-1, event);
    redraw();
  }

  function hover(dot, event) {
    if (dot === hovered && dot < 0) return;
    hovered = dot;
    redraw();
    options.onHover?.(dot, event);
  }

  function onWheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // else it scrolls the page
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), ...spot(event));
  }

  // -- keys and buttons -------------------------------------------------------------------------
  function bound() {
    view.zoom = Math.min(farthest(), Math.max(1, view.zoom));
    const [least, most] = rim();
    const size = { x: dots.clientWidth, y: dots.clientHeight };
    for (const axis of ["x", "y"]) {
      const half = Math.min(size[axis] / 2 / side(), (most[axis] - least[axis]) / 2);
      view[axis] = Math.min(most[axis] - half, Math.max(least[axis] + half, view[axis]));
    }
    redraw();
  }

  function zoom(factor, px = dots.clientWidth / 2, py = dots.clientHeight / 2) {
    const { x, y } = at(px, py);
    view.zoom = Math.min(farthest(), Math.max(1, view.zoom * factor));
    view.x = x - (px - dots.clientWidth / 2) / side();
    view.y = y + (py - dots.clientHeight / 2) / side();
    bound();
  }

  function reset() {
    Object.assign(view, { x: frame.x, y: frame.y, zoom: 1 });
    redraw();
  }

  function move(x, y) {
    view.x += (0.2 * x * frame.width) / view.zoom;
    view.y += (0.2 * y * frame.height) / view.zoom;
    bound();
  }

  function visible() {
    const [w, h] = [dots.clientWidth, dots.clientHeight];
    return { shape: "rectangle", corners: [[0, 0], [w, 0], [w, h], [0, h]] };
  }

  const KEYS = { "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5) };
  KEYS.Enter = (event) => choose(visible(), event.shiftKey);
  const ZOOMED = {
    ArrowLeft: () => move(-1, 0),
    ArrowRight: () => move(1, 0),
    ArrowUp: () => move(0, 1),
    ArrowDown: () => move(0, -1),
    Home: reset,
  };

  // Arrows and Home are the map's while it is zoomed in; else they are left to the page.
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const action = KEYS[event.key] ?? (isZoomed() ? ZOOMED[event.key] : undefined);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action(event);
  }

  const listeners = {
    pointerdown: onDown,
    pointermove: onMove,
    pointerup: onUp,
    pointercancel: onLeave,
    pointerleave: (event) => !stroke && !grabbed && onLeave(event),
    keydown: onKey,
  };
  for (const [name, listener] of Object.entries(listeners)) dots.addEventListener(name, listener);
  dots.addEventListener("wheel", onWheel, { passive: false });
  const watch = new ResizeObserver(resize);
  watch.observe(element);
  resize();

  return {
    // x, y: Uint16Array. still: whether dots are to jump.
    move: (x, y, still = false) => glide(x, y, still),
    // What is in sight before anybody zooms: { x, y, width, height } around a middle, as shares.
    frame(shown) {
      const isWhole = view.zoom === 1;
      frame = shown;
      grid = null;
      if (isWhole) reset();
      else bound();
    },
    // places: that of each dot's colour in a palette of colours such as #0196f4
    paint(places, names) {
      colours = places;
      palette = names.map(rgb);
      redraw();
    },
    select(mask) {
      chosen = mask;
      redraw();
    },
    // flags: of each place in the palette, whether its dots are left out
    hide(flags) {
      hidden = flags;
      redraw();
    },
    // An image beneath the dots, and where it lies, as shares around a middle.
    lay(picture) {
      ground = picture;
      redraw();
    },
    mark(list) {
      marks = shares(list);
      redraw();
    },
    look(dot, path = []) {
      ringed = dot;
      trail = shares(path);
      redraw();
    },
    // of: gives what is to be drawn for a dot close up, { image, x, y, side } of a square in an
    // image, null while there is none; null for a map of nothing but dots.
    depict(of) {
      pictureOf = of;
      redraw();
    },
    follow(lines) {
      wakes = lines.map(shares);
      redraw();
    },
    hover(dot) {
      hovered = dot;
      redraw();
    },
    setMode: (name) => (mode = name),
    zoom,
    reset,
    redraw,
    looksAt: () => ({ ...view }),
    lookAt({ x, y, zoom }) {
      Object.assign(view, { x, y, zoom });
      bound();
    },
    isAtRest: () => !gliding && !asked,
    name: (label) => dots.setAttribute("aria-label", label),
    destroy() {
      watch.disconnect();
      cancelAnimationFrame(gliding);
      cancelAnimationFrame(asked);
      clearTimeout(resting);
      element.replaceChildren();
    },
  };
}
