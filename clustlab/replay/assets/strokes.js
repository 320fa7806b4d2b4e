// What lies over the dots of a map: lines, rings, names and what is being drawn, in pixels.

// A line through places, each a small dot in its own colour, if it has one.
export function strokeTrail(ink, places, colour, opacity) {
  ink.strokeStyle = colour;
  ink.globalAlpha = opacity;
  ink.lineWidth = 1;
  ink.beginPath();
  for (const { x, y } of places) ink.lineTo(x, y);
  ink.stroke();
  ink.globalAlpha = 1;
  for (const { x, y, colour: own } of places) {
    if (!own) continue;
    ink.fillStyle = own;
    ink.beginPath();
    ink.arc(x, y, 2.5, 0, 7);
    ink.fill();
  }
}

// A text in a ring of a colour; without one, on a halo in the colour of the ground.
export function strokeMark(ink, { x, y, text, colour }, letters, ground) {
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  if (colour) {
    ink.font = "600 11px system-ui, sans-serif";
    const half = Math.max(9, ink.measureText(text).width / 2 + 5);
    ink.beginPath();
    ink.roundRect(x - half, y - 9, 2 * half, 18, 9);
    ink.fillStyle = ground;
    ink.fill();
    ink.lineWidth = 2.5;
    ink.strokeStyle = colour;
    ink.stroke();
  } else {
    ink.font = "600 14px system-ui, sans-serif";
    ink.lineJoin = "round";
    ink.lineWidth = 4;
    ink.strokeStyle = ground;
    ink.strokeText(text, x, y + 0.5);
  }
  ink.fillStyle = letters;
  ink.fillText(text, x, y + 0.5);
}

// A square of an image around a place, in a frame; grey and pale on a ground, if one is given.
export function strokePicture(ink, { x, y, side }, picture, colour, ground) {
  const [left, top] = [x - side / 2, y - side / 2];
  ink.imageSmoothingEnabled = true;
  ink.drawImage(picture.image, picture.x, picture.y, picture.side, picture.side, left, top, side, side);
  if (ground) {
    ink.fillStyle = "#808080";
    ink.globalCompositeOperation = "saturation"; // which grey has none of
    ink.fillRect(left, top, side, side);
    ink.globalCompositeOperation = "source-over";
    ink.fillStyle = ground;
    ink.globalAlpha = 0.6;
    ink.fillRect(left, top, side, side);
    ink.globalAlpha = 1;
  }
  ink.lineWidth = 2;
  ink.strokeStyle = colour;
  ink.strokeRect(left, top, side, side);
}

export function strokeRing(ink, { x, y }, radius, width, colour) {
  ink.lineWidth = width;
  ink.strokeStyle = colour;
  ink.beginPath();
  ink.arc(x, y, radius, 0, 7);
  ink.stroke();
}

// What is being drawn to select: an outline through corners [x, y], lightly filled.
export function strokeOutline(ink, corners, colour) {
  ink.strokeStyle = colour;
  ink.fillStyle = colour;
  ink.lineWidth = 1.5;
  ink.beginPath();
  for (const [x, y] of corners) ink.lineTo(x, y);
  ink.closePath();
  ink.stroke();
  ink.globalAlpha = 0.08;
  ink.fill();
  ink.globalAlpha = 1;
}
