// One field of a layer, beside the same field turned back: its positions, and what turns with them.

import { whenInSight } from "./canvas.js";
import { difference, pick } from "./fields.js";
import { turn } from "./turning.js";

export class MapPanel {
  #maps = null;
  #angle = 0;
  #reference = null;
  #image = null;
  #asking = false;
  difference = null; // of the map turned back to the upright one

  constructor(network, element, kind) {
    Object.assign(this, { network, element, kind });
    element.dataset.network = network.name;
    [this.now, this.turnedBack] = element.querySelectorAll("canvas");
    this.select = element.querySelector("select");
    this.draw = whenInSight(element, () => this.#draw());
    this.select.addEventListener("change", this.draw);
  }

  /** Forgets the maps of the digit before. */
  begin(image) {
    this.#image = image;
    this.#reference = null;
  }

  show(maps, angle) {
    [this.#maps, this.#angle] = [maps, angle];
    if (!this.select.options.length) this.#addFields(maps);
    if (angle === 0) this.#reference = maps;
    if (!this.#reference) this.#refer();
    this.draw();
  }

  #addFields(maps) {
    const { size, channels } = this.kind;
    const count = maps.length / (size * size * channels);
    for (let field = 0; field < count; field++) {
      this.select.append(new Option(`field ${field + 1} of ${count}`, field));
    }
    this.select.value = this.kind.first;
  }

  async #refer() {
    if (this.#asking) return;
    this.#asking = true;
    const image = this.#image;
    const { outputs } = await this.network.run(image);
    this.#asking = false;
    if (image === this.#image) this.#reference = outputs.maps;
    this.draw();
  }

  #draw() {
    if (!this.#maps) return;
    const { size, channels, back, draw } = this.kind;
    const number = Number(this.select.value);
    const now = pick(this.#maps, number, this.kind);
    const turned = back(turn(now, -this.#angle, size, channels), this.#angle);
    const reference = this.#reference && pick(this.#reference, number, this.kind);
    const largest = Math.max(...(reference ?? now).map(Math.abs), 1e-6);
    draw(this.now, now, largest, this.kind, this.network.name);
    draw(this.turnedBack, turned, largest, this.kind, this.network.name);
    const share = reference ? difference(turned, reference, this.kind) : null;
    this.difference = share;
    this.element.querySelector(".difference").textContent =
      share === null ? "" : `differs from the upright map by ${Math.round(100 * share)} %`;
  }
}
