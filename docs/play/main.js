// The page: what the controls do, and who hears of a new digit or angle.

import { prepare, rgb } from "./canvas.js";
import { Card } from "./card.js";
import { DIGITS } from "./digits.js";
import { P4, PLAIN, SO2 } from "./fields.js";
import { asCanvas } from "./ink.js";
import { MapPanel } from "./maps.js";
import { networks, probabilities } from "./networks.js";
import { Plane } from "./plane.js";
import { Stage } from "./stage.js";
import { SIZE, turn, wrap } from "./turning.js";

const ROUND = 5; // degrees between the answers of a whole turn
const find = (selector) => document.querySelector(selector);

const NETWORKS = [
  ["plain", "Plain", "an ordinary network", PLAIN],
  ["p4", "P4", "built for quarter turns", P4],
  ["so2", "SO(2)", "built for every turn", SO2],
];

const page = {
  image: new Float32Array(SIZE * SIZE), // upright
  digit: 0, // what it shows
  angle: 0,
  own: false, // whether it is drawn by hand
  round: 0, // changes when a whole turn begins, and when a hand ends it
};
const slider = find("#angle");
const stage = new Stage(find("#stage"), {
  begin: beginStroke,
  drawn,
  finished,
  turned: turnByHand,
});
const plane = new Plane(find("#latent"));
const [cards, panels] = addNetworks();

function addNetworks() {
  const copy = (template, place) => {
    const element = find(template).content.firstElementChild.cloneNode(true);
    find(place).append(element);
    return element;
  };
  const both = NETWORKS.map(([name, title, note, kind]) => {
    const card = new Card(networks[name], copy("#card", "#cards"), { title, note });
    const element = copy("#panel", "#panels");
    element.querySelector("h3").textContent = title;
    const panel = new MapPanel(networks[name], element, kind);
    card.onMaps = (maps, angle) => panel.show(maps, angle);
    find("#chips").append(card.chip);
    return [card, panel];
  });
  return [both.map(([card]) => card), both.map(([, panel]) => panel)];
}

/** Turns the digit; done when every network has answered. */
function turnTo(angle) {
  page.angle = wrap(angle);
  const whole = Math.round(page.angle) % 360;
  slider.value = whole;
  find("#degrees").value = `${whole}°`;
  slider.ariaValueText = `${whole} degrees`;
  stage.angle = page.angle;
  stage.draw();
  document.body.classList.toggle("blank", stage.ink.isBlank);
  const image = turn(page.image, page.angle);
  drawSeen(image);
  return Promise.all([
    ...cards.map((card) => card.ask(image, page.angle, page.digit)),
    plane.follow(image),
  ]).then(announce);
}

function turnByHand(angle) {
  page.round++;
  return turnTo(angle);
}

/** Draws the pixels that the networks get. */
function drawSeen(image) {
  for (const canvas of document.querySelectorAll(".seen")) {
    const { context, side } = prepare(canvas);
    context.imageSmoothingEnabled = false;
    context.drawImage(asCanvas(image, SIZE, rgb("--ink")), 0, 0, side, side);
  }
}

/** Takes a new upright image and the digit that it shows; the circles begin anew. */
function take(image, digit) {
  page.digit = digit;
  find("#digit").value = digit;
  for (const card of cards) card.forget();
  return look(image);
}

/** Has the networks look at an upright image, at the angle of now. */
function look(image) {
  page.round++;
  page.image = image;
  for (const panel of panels) panel.begin(image);
  return turnTo(page.angle);
}

function beginStroke() {
  for (const card of cards) card.forget();
  if (page.own && !stage.ink.isBlank) return;
  stage.ink.clear();
  page.own = true;
  page.angle = stage.angle = 0; // a new sheet is upright, however the digit before was turned
  mark(null);
}

function drawn() {
  return look(stage.ink.image());
}

/** Says which digit the finished drawing is: what the three networks together read upright. */
async function finished() {
  const image = page.image;
  const answers = await Promise.all(cards.map((card) => card.network.run(image)));
  if (image !== page.image) return;
  const shares = answers.map(({ outputs }) => probabilities(outputs.logits));
  const sums = shares[0].map((_, digit) => shares.reduce((sum, each) => sum + each[digit], 0));
  page.digit = sums.indexOf(Math.max(...sums));
  find("#digit").value = page.digit;
  turnTo(page.angle);
}

function mark(button) {
  for (const each of document.querySelectorAll("#samples button")) {
    each.ariaPressed = each === button;
  }
}

/** Turns the digit once around in steps of some degrees, so that every circle is filled. */
async function goRound(step = ROUND) {
  const own = ++page.round;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const start = page.angle;
  for (let done = 0; done <= 360 && own === page.round; done += step) {
    const angle = wrap(start + done);
    const image = turn(page.image, angle);
    if (still) await Promise.all(cards.map((card) => card.add(image, angle)));
    else await turnTo(angle);
  }
}

let announcing;
/** Says the answers to screen readers, once the digit stays. */
function announce() {
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    if (stage.ink.isBlank) return;
    const answers = cards.map((card, index) => `${NETWORKS[index][1]} says ${card.answer}`);
    const whole = Math.round(page.angle) % 360;
    find("#live").textContent = `Turned by ${whole} degrees: ${answers.join(", ")}.`;
  }, 800);
}

function addSamples() {
  for (const [digit, strokes] of DIGITS.entries()) {
    const button = document.createElement("button");
    button.ariaLabel = `Digit ${digit}`;
    const path = `<path d="${strokes}" />`;
    button.innerHTML = `<svg viewBox="50 30 180 220" aria-hidden="true">${path}</svg>`;
    button.addEventListener("click", () => {
      page.own = false;
      mark(button);
      stage.ink.show(strokes);
      take(stage.ink.image(), digit);
    });
    find("#samples").append(button);
  }
}

function connect() {
  slider.addEventListener("input", () => turnByHand(Number(slider.value)));
  find("#left").addEventListener("click", () => turnByHand(page.angle + 90));
  find("#right").addEventListener("click", () => turnByHand(page.angle - 90));
  find("#upright").addEventListener("click", () => turnByHand(0));
  find("#round").addEventListener("click", () => goRound());
  find("#clear").addEventListener("click", () => {
    stage.ink.clear();
    page.own = true;
    page.angle = 0;
    mark(null);
    take(new Float32Array(SIZE * SIZE), page.digit);
  });
  find("#digit").addEventListener("change", ({ target }) => {
    page.digit = Number(target.value);
    turnTo(page.angle);
  });
  addEventListener("keydown", (event) => {
    const turns = { ArrowLeft: 1, ArrowRight: -1 };
    const busy = event.target.closest?.("#decoded-angle, select, #plane");
    if (!(event.key in turns) || busy || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    turnByHand(page.angle + turns[event.key] * (event.shiftKey ? 15 : 1));
  });
  for (const query of ["(prefers-color-scheme: dark)", `(resolution: ${devicePixelRatio}dppx)`]) {
    matchMedia(query).addEventListener("change", redraw);
  }
  addEventListener("resize", redraw);
}

function redraw() {
  stage.draw();
  drawSeen(turn(page.image, page.angle));
  for (const card of cards) card.drawCircle();
  for (const panel of panels) panel.draw();
  plane.recolour();
}

connect();
addSamples();
find("#samples button:nth-child(8)").click();
await plane.start();
// For tests and for the console.
window.play = { page, cards, panels, plane, networks, turnTo, goRound };
if (document.body.dataset.state === "loading") document.body.dataset.state = "ready";
