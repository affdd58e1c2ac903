// The plane of the autoencoder: each point is a digit, at the angle beside it. The encoder puts the
// turned digit on the plane and finds the angle.

import { colour, prepare, rgb, whenInSight } from "./canvas.js";
import { asCanvas } from "./ink.js";
import { networks } from "./networks.js";
import { SIZE, turn, wrap } from "./turning.js";

const EDGE = 2.6; // the plane goes from -2.6 to 2.6 in both directions
const TILES = 11; // digits in a row of the background
const STEP = 0.1; // of an arrow key

export class Plane {
  point = [0, 0];
  angle = 0;
  #place = null; // of the digit of the stage
  #digits = null; // of the background, one after the other
  #background = new OffscreenCanvas(TILES * SIZE, TILES * SIZE);
  #decoded = null;

  constructor(element) {
    this.canvas = element.querySelector("#plane");
    this.picture = element.querySelector("#decoded");
    this.slider = element.querySelector("#decoded-angle");
    this.following = element.querySelector("#follow");
    this.coordinates = element.querySelector("#point");
    this.draw = whenInSight(element, () => this.#draw());
    this.canvas.addEventListener("pointerdown", (event) => this.#drag(event));
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.slider.addEventListener("input", () => {
      this.following.checked = false;
      this.angle = Number(this.slider.value);
      this.draw();
    });
    this.following.addEventListener("change", () => this.#return());
  }

  /** Decodes the digits of the background. */
  async start() {
    const points = Array.from({ length: TILES * TILES }, (_, tile) =>
      [tile % TILES, TILES - 1 - Math.floor(tile / TILES)].map(
        (at) => ((at + 0.5) / TILES) * 2 * EDGE - EDGE,
      ),
    );
    const shape = [points.length, 2];
    const { outputs } = await networks.decoder.run(Float32Array.from(points.flat()), shape);
    this.#digits = outputs.logits.map(sigmoid);
    this.recolour();
  }

  /** Draws the digits of the background anew, in the colours of now; they are turned later. */
  recolour() {
    const context = this.#background.getContext("2d");
    const [ink, pixels] = [rgb("--ink"), SIZE * SIZE];
    context.clearRect(0, 0, TILES * SIZE, TILES * SIZE);
    for (let index = 0; this.#digits && index < TILES * TILES; index++) {
      const digit = asCanvas(
        this.#digits.subarray(index * pixels, (index + 1) * pixels),
        SIZE,
        ink,
      );
      context.drawImage(digit, (index % TILES) * SIZE, Math.floor(index / TILES) * SIZE);
    }
    this.draw();
  }

  /** Has the encoder find the place of an image, and goes there while it follows. */
  follow(image) {
    return networks.encoder.latest(image, ({ outputs }) => {
      const [cosine, sine] = outputs.orientation;
      const angle = wrap((Math.atan2(sine, cosine) * 180) / Math.PI);
      this.#place = { point: Array.from(outputs.mean), angle };
      this.#return();
    });
  }

  #return() {
    if (!this.following.checked || !this.#place) return this.draw();
    this.angle = this.#place.angle;
    return this.#go(this.#place.point);
  }

  #go(point) {
    this.point = point.map((at) => Math.min(Math.max(at, -EDGE), EDGE));
    return networks.decoder.latest(Float32Array.from(this.point), ({ outputs }) => {
      this.#decoded = outputs.logits.map(sigmoid);
      this.draw();
    });
  }

  #drag(event) {
    event.preventDefault();
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    const move = (at) => {
      const box = this.canvas.getBoundingClientRect();
      this.following.checked = false;
      this.#go([
        ((at.clientX - box.left) / box.width) * 2 * EDGE - EDGE,
        EDGE - ((at.clientY - box.top) / box.height) * 2 * EDGE,
      ]);
    };
    const end = () => this.canvas.removeEventListener("pointermove", move);
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", end, { once: true });
    this.canvas.addEventListener("pointercancel", end, { once: true });
    move(event);
  }

  #key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    this.following.checked = false;
    this.#go(this.point.map((at, axis) => at + STEP * step[axis]));
  }

  #draw() {
    this.slider.value = Math.round(this.angle);
    const [x, y] = this.point.map((at) => at.toFixed(1).replace("-", "−"));
    this.coordinates.textContent = `point (${x}, ${y}), angle ${Math.round(this.angle)}°`;
    this.#drawPlane();
    if (!this.#decoded) return;
    const { context, side } = prepare(this.picture);
    const turned = turn(this.#decoded, this.angle);
    context.imageSmoothingQuality = "high";
    context.drawImage(asCanvas(turned, SIZE, rgb("--ink")), 0, 0, side, side);
  }

  #drawPlane() {
    const { context, side } = prepare(this.canvas);
    context.globalAlpha = 0.55;
    const tile = side / TILES;
    for (let index = 0; index < TILES * TILES; index++) {
      const [column, row] = [index % TILES, Math.floor(index / TILES)];
      context.save();
      context.translate((column + 0.5) * tile, (row + 0.5) * tile);
      context.rotate((-this.angle * Math.PI) / 180);
      const from = [column * SIZE, row * SIZE, SIZE, SIZE];
      context.drawImage(this.#background, ...from, -tile / 2, -tile / 2, tile, tile);
      context.restore();
    }
    context.globalAlpha = 1;
    if (this.#place) this.#drawDot(context, side, this.#place.point, colour("--card"), 4);
    this.#drawDot(context, side, this.point, colour("--accent"), 8);
  }

  #drawDot(context, side, point, tint, radius) {
    const [x, y] = point.map((at) => ((at + EDGE) / (2 * EDGE)) * side);
    context.beginPath();
    context.arc(x, side - y, radius, 0, 2 * Math.PI);
    context.fillStyle = tint;
    context.fill();
    Object.assign(context, { lineWidth: 2.5, strokeStyle: colour("--card") });
    if (tint === colour("--card")) context.strokeStyle = colour("--accent");
    context.stroke();
  }
}

const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));
