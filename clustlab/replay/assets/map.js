// A map of many dots on a canvas: glides from step to step, zooms, and lets dots be chosen.
//
// createMap(element, options) draws into an element and returns what steers it. It knows nothing of
// runs, pages or Streamlit, and keeps nothing outside itself.
//
// options: label (what it shows, in words), onHover(dot, event), onPick(dot), onSelect(dots, adds),
// onClear(). A dot is its number; onHover gets -1 where there is none.

const GLIDE = 300; // ms
const NEAR = 9; // px within which a dot is under the pointer
const CLICK = 4; // px that a hand may tremble
const FARTHEST = 40; // times
const RIM = 6; // px around the dots furthest out
const GRID = 96; // cells along each side of what finds the nearest dot

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
  let now = { x: new Float32Array(0), y: new Float32Array(0) }; // where dots are drawn, 0 to 1
  let from = now;
  let to = now;
  let gliding = 0; // number of the frame that is asked for, if any
  let began = 0;
  let colours = new Uint16Array(0); // of each dot, a place in the palette
  let palette = [[128, 128, 128]];
  let chosen = null; // of each dot, whether it is; null if none is
  let marks = []; // { x, y, text, colour }
  let trail = []; // { x, y, colour } of one dot over the steps
  let ringed = -1; // the dot that is looked at
  let hovered = -1;
  let stroke = null; // what is being drawn: points in px
  let mode = "lasso";
  let grid = null;
  const view = { x: 0.5, y: 0.5, zoom: 1 };
  let asked = 0;

  // -- where things are -------------------------------------------------------------------------
  const scale = () => window.devicePixelRatio || 1;
  const side = () => Math.max(Math.min(dots.clientWidth, dots.clientHeight) - 2 * RIM, 1) * view.zoom;
  const left = (x) => dots.clientWidth / 2 + (x - view.x) * side();
  const top = (y) => dots.clientHeight / 2 - (y - view.y) * side();
  const isZoomed = () => view.zoom > 1;

  function unit(values) {
    const shares = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) shares[i] = values[i] / 65535;
    return shares;
  }

  function radius() {
    const usual = Math.min(3.4, Math.max(1, 180 / Math.sqrt(now.x.length || 1)));
    return usual * Math.min(1 + Math.log2(view.zoom) / 3, 2);
  }

  // -- drawing ----------------------------------------------------------------------------------
  function resize() {
    const wide = Math.round(element.clientWidth * scale());
    const high = Math.round(element.clientHeight * scale());
    if (!wide || !high || (dots.width === wide && dots.height === high)) return;
    for (const canvas of [dots, over]) [canvas.width, canvas.height] = [wide, high];
    image = null;
    redraw();
  }

  function redraw() {
    if (!asked) asked = requestAnimationFrame(paint);
  }

  function paint() {
    asked = 0;
    paintDots();
    paintOver();
  }

  // A disc as offsets in the image and how much of each pixel it covers, 0 to 255.
  function stamp(size, wide) {
    const reach = Math.ceil(size);
    const parts = [];
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        const cover = Math.min(1, Math.max(0, size + 0.5 - Math.hypot(x, y)));
        if (cover > 0) parts.push([x + y * wide, cover * 255]);
      }
    }
    return { reach, parts };
  }

  function paintDots() {
    const { width, height } = dots;
    if (!width || !height) return;
    const ground = rgb(getComputedStyle(dots).backgroundColor);
    const grey = rgb(getComputedStyle(dots).color);
    image ??= paper.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    pixels.fill(packed(ground));
    const size = radius() * scale();
    if (chosen) {
      layer(pixels, width, height, stamp(size, width), 0.3, (i) => (chosen[i] ? null : grey));
      layer(pixels, width, height, stamp(size * 1.25, width), 1, (i) =>
        chosen[i] ? palette[colours[i]] : null,
      );
    } else {
      layer(pixels, width, height, stamp(size, width), 0.8, (i) => palette[colours[i]]);
    }
    paper.putImageData(image, 0, 0);
  }

  function layer(pixels, width, height, { reach, parts }, opacity, colourOf) {
    const factor = side() * scale();
    const [dx, dy] = [width / 2 - view.x * factor, height / 2 + view.y * factor];
    for (let i = 0; i < now.x.length; i++) {
      const colour = colourOf(i);
      if (!colour) continue;
      const x = Math.round(dx + now.x[i] * factor);
      const y = Math.round(dy - now.y[i] * factor);
      if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
      const [r, g, b] = colour;
      const at = x + y * width;
      for (let p = 0; p < parts.length; p++) {
        const place = at + parts[p][0];
        const share = parts[p][1] * opacity;
        const rest = 255 - share;
        const old = pixels[place];
        pixels[place] =
          0xff000000 |
          ((b * share + ((old >> 16) & 255) * rest) / 255) << 16 |
          ((g * share + ((old >> 8) & 255) * rest) / 255) << 8 |
          ((r * share + (old & 255) * rest) / 255);
      }
    }
  }

  function paintOver() {
    const style = getComputedStyle(over);
    const ground = getComputedStyle(dots).backgroundColor;
    ink.setTransform(scale(), 0, 0, scale(), 0, 0);
    ink.clearRect(0, 0, over.width, over.height);
    if (trail.length > 1) paintTrail(style.color);
    for (const mark of marks) paintMark(mark, style.color, ground);
    for (const dot of [hovered, ringed]) if (dot >= 0) paintRing(dot, style.color);
    if (stroke && stroke.length > 1) paintStroke(style.color);
  }

  function paintTrail(colour) {
    ink.strokeStyle = colour;
    ink.globalAlpha = 0.6;
    ink.lineWidth = 1;
    ink.beginPath();
    for (const { x, y } of trail) ink.lineTo(left(x), top(y));
    ink.stroke();
    ink.globalAlpha = 1;
    for (const { x, y, colour: own } of trail) {
      ink.fillStyle = own;
      ink.beginPath();
      ink.arc(left(x), top(y), 2.5, 0, 7);
      ink.fill();
    }
  }

  function paintMark({ x, y, text, colour }, letters, ground) {
    ink.font = "600 11px system-ui, sans-serif";
    ink.textAlign = "center";
    ink.textBaseline = "middle";
    const half = Math.max(9, ink.measureText(text).width / 2 + 5);
    ink.beginPath();
    ink.roundRect(left(x) - half, top(y) - 9, 2 * half, 18, 9);
    ink.fillStyle = ground;
    ink.fill();
    ink.lineWidth = 2.5;
    ink.strokeStyle = colour;
    ink.stroke();
    ink.fillStyle = letters;
    ink.fillText(text, left(x), top(y) + 0.5);
  }

  function paintRing(dot, colour) {
    ink.lineWidth = dot === ringed ? 2.5 : 1.5;
    ink.strokeStyle = colour;
    ink.beginPath();
    ink.arc(left(now.x[dot]), top(now.y[dot]), radius() + 4, 0, 7);
    ink.stroke();
  }

  function paintStroke(colour) {
    ink.strokeStyle = colour;
    ink.fillStyle = colour;
    ink.lineWidth = 1.5;
    ink.beginPath();
    for (const [x, y] of outline()) ink.lineTo(x, y);
    ink.closePath();
    ink.stroke();
    ink.globalAlpha = 0.08;
    ink.fill();
    ink.globalAlpha = 1;
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
  // Dots sorted by the cell of a grid that they are in; made when first asked for.
  function sorted() {
    const cell = (value) => Math.min(GRID - 1, Math.max(0, Math.floor(value * GRID)));
    const starts = new Uint32Array(GRID * GRID + 1);
    const own = new Uint32Array(now.x.length);
    for (let i = 0; i < own.length; i++) {
      own[i] = cell(now.x[i]) + GRID * cell(now.y[i]);
      starts[own[i] + 1]++;
    }
    for (let i = 0; i < GRID * GRID; i++) starts[i + 1] += starts[i];
    const next = starts.slice();
    const order = new Uint32Array(own.length);
    for (let i = 0; i < own.length; i++) order[next[own[i]]++] = i;
    return { starts, order, cell };
  }

  function nearest(px, py) {
    if (gliding) return -1;
    grid ??= sorted();
    const { starts, order, cell } = grid;
    const reach = NEAR / side();
    const x = view.x + (px - dots.clientWidth / 2) / side();
    const y = view.y - (py - dots.clientHeight / 2) / side();
    let best = -1;
    let least = reach * reach;
    for (let row = cell(y - reach); row <= cell(y + reach); row++) {
      const [first, last] = [row * GRID + cell(x - reach), row * GRID + cell(x + reach)];
      for (let k = starts[first]; k < starts[last + 1]; k++) {
        const i = order[k];
        const gap = (now.x[i] - x) ** 2 + (now.y[i] - y) ** 2;
        if (gap <= least) [best, least] = [i, gap];
      }
    }
    return best;
  }

  function outline() {
    if (mode === "lasso") return stroke;
    const [[a, b], [c, d]] = [stroke[0], stroke[stroke.length - 1]];
    return [[a, b], [c, b], [c, d], [a, d]];
  }

  function inside(ring) {
    const found = [];
    const xs = ring.map(([x]) => x);
    const ys = ring.map(([, y]) => y);
    const [low, high] = [Math.min(...xs), Math.max(...xs)];
    for (let i = 0; i < now.x.length; i++) {
      const [x, y] = [left(now.x[i]), top(now.y[i])];
      if (x < low || x > high) continue;
      let isIn = false;
      for (let a = 0, b = ring.length - 1; a < ring.length; b = a++) {
        const crosses = ys[a] > y !== ys[b] > y;
        if (crosses && x < ((xs[b] - xs[a]) * (y - ys[a])) / (ys[b] - ys[a]) + xs[a]) isIn = !isIn;
      }
      if (isIn) found.push(i);
    }
    return found;
  }

  // -- the pointer ------------------------------------------------------------------------------
  let grabbed = null; // where the map was taken hold of, to move it

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
      if (far) options.onSelect?.(inside(outline()), event.shiftKey);
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
    view.zoom = Math.min(FARTHEST, Math.max(1, view.zoom));
    const half = 0.5 / view.zoom;
    for (const axis of ["x", "y"]) view[axis] = Math.min(1 - half, Math.max(half, view[axis]));
    redraw();
  }

  function zoom(factor, px = dots.clientWidth / 2, py = dots.clientHeight / 2) {
    const x = view.x + (px - dots.clientWidth / 2) / side();
    const y = view.y - (py - dots.clientHeight / 2) / side();
    view.zoom = Math.min(FARTHEST, Math.max(1, view.zoom * factor));
    view.x = x - (px - dots.clientWidth / 2) / side();
    view.y = y + (py - dots.clientHeight / 2) / side();
    bound();
  }

  function reset() {
    Object.assign(view, { x: 0.5, y: 0.5, zoom: 1 });
    redraw();
  }

  function move(x, y) {
    view.x += (0.2 * x) / view.zoom;
    view.y += (0.2 * y) / view.zoom;
    bound();
  }

  function visible() {
    const [w, h] = [dots.clientWidth, dots.clientHeight];
    return inside([[0, 0], [w, 0], [w, h], [0, h]]);
  }

  const KEYS = { "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5) };
  KEYS.Enter = (event) => options.onSelect?.(visible(), event.shiftKey);
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
    // x, y: Uint16Array, 0 to 65535; y points up. still: whether dots are to jump.
    move: (x, y, still = false) => glide(x, y, still),
    // colours: place of each dot's colour in a palette of colours such as #0196f4
    paint(places, names) {
      colours = places;
      palette = names.map(rgb);
      redraw();
    },
    select(mask) {
      chosen = mask;
      redraw();
    },
    mark(list) {
      marks = list.map((each) => ({ ...each, x: each.x / 65535, y: each.y / 65535 }));
      redraw();
    },
    look(dot, path = []) {
      ringed = dot;
      trail = path.map((each) => ({ ...each, x: each.x / 65535, y: each.y / 65535 }));
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
    name: (label) => dots.setAttribute("aria-label", label),
    destroy() {
      watch.disconnect();
      cancelAnimationFrame(gliding);
      cancelAnimationFrame(asked);
      element.replaceChildren();
    },
  };
}

// Red, green and blue of a colour as styles write it: #rrggbb, or rgb(...) once it is computed.
function rgb(colour) {
  if (colour[0] === "#") return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return colour.match(/[\d.]+/g).slice(0, 3).map(Number);
}

function packed([r, g, b]) {
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
}
