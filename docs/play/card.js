// The card of a network: its answer, the probabilities of the ten digits, and its circle.

import { colour } from "./canvas.js";
import { probabilities } from "./networks.js";
import { drawRose } from "./rose.js";

export class Card {
  answers = new Map(); // by whole degrees
  probabilities = null;
  #asked = { angle: 0, digit: 0 };

  constructor(network, element, { title, note }) {
    Object.assign(this, { network, element });
    element.dataset.network = network.name;
    element.querySelector("h3").textContent = title;
    element.querySelector(".note").textContent = note;
    this.bars = Array.from({ length: 10 }, (_, digit) => addBar(element, digit));
    this.chip = document.createElement("b");
    this.chip.dataset.network = network.name;
  }

  /** Shows what the network answers to an image that was turned by an angle. */
  ask(image, angle, digit) {
    this.#asked = { angle, digit };
    this.drawCircle();
    const answers = this.answers;
    return this.network.latest(image, (result) => {
      if (answers !== this.answers) return; // of the digit before
      this.#show(result, angle);
      this.onMaps?.(result.outputs.maps, angle);
    });
  }

  /** Adds the answer at an angle to the circle only. */
  async add(image, angle) {
    const answers = this.answers;
    const { outputs } = await this.network.run(image);
    if (answers !== this.answers) return;
    this.#remember(probabilities(outputs.logits), angle);
    this.drawCircle();
  }

  /** Forgets the circle of the digit before. */
  forget() {
    this.answers = new Map();
  }

  #remember(shares, angle) {
    const answer = shares.indexOf(Math.max(...shares));
    this.answers.set(Math.round(angle) % 360, { shares, answer });
    return answer;
  }

  #show({ outputs, milliseconds }, angle) {
    this.probabilities = probabilities(outputs.logits);
    const answer = this.#remember(this.probabilities, angle);
    this.answer = answer;
    this.milliseconds = milliseconds;
    const percent = Math.round(100 * this.probabilities[answer]);
    for (const place of [this.element.querySelector(".answer"), this.chip]) {
      place.textContent = answer;
    }
    this.element.querySelector(".sure").textContent = `${percent} %`;
    this.element.querySelector(".time").textContent = `${Math.max(1, Math.round(milliseconds))} ms`;
    for (const place of [this.element, this.chip]) {
      place.classList.toggle("wrong", answer !== this.#asked.digit);
    }
    for (const [digit, bar] of this.bars.entries()) {
      bar.style.setProperty("--share", this.probabilities[digit]);
      bar.classList.toggle("first", digit === answer);
    }
    this.element.querySelector(".bars").ariaLabel = `Probability of ${answer}: ${percent} %`;
    this.drawCircle();
  }

  drawCircle() {
    const { angle, digit } = this.#asked;
    const shares = [...this.answers].map(([at, { shares, answer }]) => [
      at,
      { share: shares[digit], answer },
    ]);
    const canvas = this.element.querySelector("canvas");
    const tint = colour(`--${this.network.name}`);
    drawRose(canvas, new Map(shares), digit, Math.round(angle) % 360, tint);
    const right = shares.filter(([, { answer }]) => answer === digit).length;
    this.element.querySelector(".score").textContent = shares.length
      ? `right at ${right} of ${shares.length} ${shares.length === 1 ? "angle" : "angles"}`
      : "loading …";
    canvas.ariaLabel = `Circle of all angles: right at ${right} of ${shares.length} tried`;
  }
}

function addBar(element, digit) {
  const bar = document.createElement("div");
  bar.className = "bar";
  bar.append(document.createElement("i"), String(digit));
  element.querySelector(".bars").append(bar);
  return bar;
}
