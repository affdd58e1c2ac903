// The digit as it is seen on the page: ink on a square, much finer than the networks' 28 pixels.

import { SIZE } from "./turning.js";

export const FINE = 280;
const PEN = 22;
const BOX = 20; // the longer side of a digit in an image of MNIST, in its pixels

export class Ink {
  isBlank = true;
  canvas = new OffscreenCanvas(FINE, FINE);
  #context = this.canvas.getContext("2d", { willReadFrequently: true });

  constructor() {
    Object.assign(this.#context, { lineWidth: PEN, lineCap: "round", lineJoin: "round" });
  }

  clear() {
    this.isBlank = true;
    this.#context.clearRect(0, 0, FINE, FINE);
  }

  /** Draws the strokes of a digit of digits.js. */
  show(strokes) {
    this.clear();
    this.isBlank = false;
    this.#context.stroke(new Path2D(strokes));
  }

  stroke(from, to) {
    this.isBlank = false;
    this.#context.beginPath();
    this.#context.moveTo(...from);
    this.#context.lineTo(...to);
    this.#context.stroke();
  }

  /** The ink as an image of MNIST: its longer side is 20 pixels, its centre of mass the centre. */
  image() {
    const { data } = this.#context.getImageData(0, 0, FINE, FINE);
    const extent = { left: FINE, right: -1, top: FINE, bottom: -1, mass: 0, x: 0, y: 0 };
    for (let y = 0; y < FINE; y++) {
      for (let x = 0; x < FINE; x++) {
        const ink = data[4 * (y * FINE + x) + 3] / 255;
        if (ink > 0) include(extent, x, y, ink);
      }
    }
    return extent.mass > 0 ? reduce(data, extent) : new Float32Array(SIZE * SIZE);
  }
}

function include(extent, x, y, ink) {
  extent.left = Math.min(extent.left, x);
  extent.right = Math.max(extent.right, x);
  extent.top = Math.min(extent.top, y);
  extent.bottom = Math.max(extent.bottom, y);
  extent.mass += ink;
  extent.x += ink * x;
  extent.y += ink * y;
}

/** Spreads each fine pixel over the four coarse ones around its place. */
function reduce(data, { left, right, top, bottom, mass, x: sumX, y: sumY }) {
  const scale = BOX / Math.max(right - left + 1, bottom - top + 1, 3 * PEN);
  const image = new Float32Array(SIZE * SIZE);
  const place = (fine, sum) => (fine - sum / mass) * scale + (SIZE - 1) / 2;
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const ink = (data[4 * (y * FINE + x) + 3] / 255) * scale * scale;
      if (ink > 0) spread(image, place(x, sumX), place(y, sumY), ink);
    }
  }
  return image.map((value) => Math.min(value, 1));
}

function spread(image, x, y, ink) {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  for (const row of [top, top + 1]) {
    for (const column of [left, left + 1]) {
      if (row < 0 || column < 0 || row >= SIZE || column >= SIZE) continue;
      const share = (1 - Math.abs(y - row)) * (1 - Math.abs(x - column));
      image[row * SIZE + column] += ink * share;
    }
  }
}

/** A canvas whose opacity is the image, from 0 to 1, in one colour given as [red, green, blue]. */
export function asCanvas(image, size, [red, green, blue] = [0, 0, 0]) {
  const pixels = new ImageData(size, size);
  for (let pixel = 0; pixel < size * size; pixel++) {
    pixels.data.set([red, green, blue, 255 * Math.min(Math.max(image[pixel], 0), 1)], 4 * pixel);
  }
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}
