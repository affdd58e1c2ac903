// The digit in its ring: it is drawn inside, and turned by the ring.

import { around, colour, prepare } from "./canvas.js";
import { FINE, Ink } from "./ink.js";
import { direction } from "./turning.js";

const RING = 0.86; // radius of the disc inside the ring, in halves of the canvas

export class Stage {
  ink = new Ink();
  angle = 0;

  /**
   * @param canvas the element.
   * @param begin called before every stroke.
   * @param drawn called while a stroke grows.
   * @param finished called after it.
   * @param turned called with the angle to which the ring was turned.
   */
  constructor(canvas, { begin, drawn, finished, turned }) {
    Object.assign(this, { canvas, begin, drawn, finished, turned });
    canvas.addEventListener("pointerdown", (event) => this.#start(event));
    canvas.addEventListener("pointermove", (event) => this.#hover(event));
  }

  #start(event) {
    if (!event.isPrimary || event.button !== 0) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    const draws = !this.#onRing(event);
    const move = draws ? this.#drawing(event) : this.#turning(event);
    const end = () => {
      if (draws) this.finished();
      this.canvas.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) this.canvas.removeEventListener(name, end);
    };
    this.canvas.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, end);
  }

  #turning(event) {
    const offset = this.angle - this.#angleOf(event);
    return (later) => this.turned(this.#angleOf(later) + offset);
  }

  #drawing(event) {
    this.begin();
    let from = this.#onPaper(event);
    const line = (to) => {
      this.ink.stroke(from, to);
      from = to;
      this.draw();
      this.drawn();
    };
    line(from);
    return (later) => line(this.#onPaper(later));
  }

  #hover(event) {
    this.canvas.style.cursor = this.#onRing(event) ? "grab" : "crosshair";
  }

  /** Where the pointer is, from the centre, in halves of the canvas: right, and up. */
  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      (2 * (event.clientX - box.left)) / box.width - 1,
      1 - (2 * (event.clientY - box.top)) / box.height,
    ];
  }

  #onRing(event) {
    return Math.hypot(...this.#place(event)) > RING;
  }

  #angleOf(event) {
    const [right, up] = this.#place(event);
    return (Math.atan2(-right, up) * 180) / Math.PI;
  }

  /** The place on the upright paper under the pointer, in its fine pixels. */
  #onPaper(event) {
    const [right, up] = this.#place(event).map((share) => share / RING);
    const [cosine, sine] = direction(this.angle);
    const x = cosine * right + sine * up;
    const y = cosine * up - sine * right;
    return [((1 + x) * FINE) / 2, ((1 - y) * FINE) / 2];
  }

  draw() {
    const { context, side } = prepare(this.canvas);
    const centre = side / 2;
    const radius = RING * centre;
    context.save();
    context.beginPath();
    context.arc(centre, centre, radius, 0, 2 * Math.PI);
    context.clip();
    context.translate(centre, centre);
    context.rotate((-this.angle * Math.PI) / 180);
    context.drawImage(this.ink.canvas, -radius, -radius, 2 * radius, 2 * radius);
    context.restore();
    context.globalCompositeOperation = "source-in";
    context.fillStyle = colour("--ink");
    context.fillRect(0, 0, side, side);
    context.globalCompositeOperation = "destination-over";
    context.beginPath();
    context.arc(centre, centre, radius, 0, 2 * Math.PI);
    context.fillStyle = colour("--paper");
    context.fill();
    context.globalCompositeOperation = "source-over";
    if (this.ink.isBlank) {
      Object.assign(context, { textAlign: "center", fillStyle: colour("--muted") });
      context.font = "1rem system-ui, sans-serif";
      context.fillText("draw a digit here", centre, centre);
    }
    this.#drawRing(context, side);
  }

  #drawRing(context, side) {
    const middle = ((1 + RING) / 4) * side;
    const width = ((1 - RING) / 2) * side;
    context.lineWidth = width * 0.55;
    context.strokeStyle = colour("--ring");
    context.beginPath();
    context.arc(side / 2, side / 2, middle, 0, 2 * Math.PI);
    context.stroke();
    context.strokeStyle = colour("--accent");
    context.beginPath();
    const top = -Math.PI / 2;
    context.arc(side / 2, side / 2, middle, top, top - (this.angle * Math.PI) / 180, true);
    context.stroke();
    context.fillStyle = colour("--card");
    for (let tick = 0; tick < 360; tick += 45) {
      context.beginPath();
      context.arc(...around(side, tick, middle), tick % 90 ? 1 : 2, 0, 2 * Math.PI);
      context.fill();
    }
    context.beginPath();
    context.arc(...around(side, this.angle, middle), width * 0.46, 0, 2 * Math.PI);
    context.fill();
    context.lineWidth = 3;
    context.stroke();
  }
}
