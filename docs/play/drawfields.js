// Draws fields as discs: maps as the opacity of a colour, and arrows.

import { colour, prepare, rgb } from "./canvas.js";
import { asCanvas } from "./ink.js";
import { inDisc } from "./turning.js";

const channel = (field, index, { size, channels }) =>
  Float32Array.from({ length: size * size }, (_, at) => field[at * channels + index]);

/** Draws the maps of a field in a square; four of them so that a quarter turn turns the square. */
export function drawOrientations(canvas, field, largest, kind, name) {
  const { context, side } = prepare(canvas);
  const corners =
    kind.channels === 1
      ? [[0, 0]]
      : [
          [1, 0],
          [0, 0],
          [0, 1],
          [1, 1],
        ];
  const part = side / (kind.channels === 1 ? 1 : 2);
  for (const [index, [right, down]] of corners.entries()) {
    const map = channel(field, index, kind).map((value) => value / largest);
    drawDisc(context, right * part, down * part, part, [[map, rgb(`--${name}`)]], kind.size);
  }
}

/** Draws the number of a field as a colour, and its arrow at every second position. */
export function drawArrows(canvas, field, largest, kind) {
  const { context, side } = prepare(canvas);
  const number = channel(field, 0, kind);
  const layers = [
    [number.map((value) => (0.8 * value) / largest), rgb("--so2")],
    [number.map((value) => (-0.8 * value) / largest), rgb("--negative")],
  ];
  drawDisc(context, 0, 0, side, layers, kind.size);
  const step = side / kind.size;
  Object.assign(context, {
    strokeStyle: colour("--ink"),
    fillStyle: colour("--ink"),
    lineWidth: 1.2,
  });
  for (let position = 0; position < kind.size ** 2; position++) {
    const [row, column] = [Math.floor(position / kind.size), position % kind.size];
    if (row % 2 || column % 2 || !inDisc(position, kind.size)) continue;
    const [right, up] = [1, 2].map((index) => field[position * kind.channels + index] / largest);
    const at = [(column + 0.5) * step, (row + 0.5) * step];
    drawArrow(context, at, right * step * 3, up * step * 3);
  }
}

function drawArrow(context, [x, y], right, up) {
  const length = Math.hypot(right, up);
  if (length < 1.5) return;
  context.beginPath();
  context.moveTo(x - right / 2, y + up / 2);
  context.lineTo(x + right / 2, y - up / 2);
  context.stroke();
  const head = Math.min(4, length / 2) / length;
  context.beginPath();
  context.moveTo(x + right / 2 + right * head * 0.4, y - up / 2 - up * head * 0.4);
  context.lineTo(x + right / 2 - (right + up) * head * 0.6, y - up / 2 + (up - right) * head * 0.6);
  context.lineTo(x + right / 2 - (right - up) * head * 0.6, y - up / 2 + (up + right) * head * 0.6);
  context.fill();
}

/** Draws maps from 0 to 1 over each other in a disc, each as the opacity of its colour. */
function drawDisc(context, x, y, side, layers, size) {
  context.save();
  context.beginPath();
  context.arc(x + side / 2, y + side / 2, side / 2 - 2, 0, 2 * Math.PI);
  context.fillStyle = colour("--paper");
  context.fill();
  context.clip();
  for (const [map, tint] of layers) {
    context.drawImage(asCanvas(map, size, tint), x, y, side, side);
  }
  context.restore();
}
