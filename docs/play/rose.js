// The circle of a network: how sure it is of the digit at each angle to which the image was turned.
// Around it is an arc: coloured where the answer is right, with the other digit where it is wrong.

import { around, colour, prepare } from "./canvas.js";

const WIDEST = 10; // degrees between neighbours that are joined

/** Draws the answers, a map from angles in whole degrees to `{ share, answer }`. */
export function drawRose(canvas, answers, digit, angle, tint) {
  const { context, side } = prepare(canvas);
  const radius = side / 2 - 16;
  drawGrid(context, side, radius);
  const steps = neighbours([...answers.keys()]);
  const point = (at) => around(side, at, radius * answers.get(at % 360).share);
  drawCurve(context, side, steps, point, tint);
  for (const run of runs(steps, answers)) drawRun(context, side, radius, run, digit, tint);
  drawHand(context, side, radius, angle, answers.get(angle), tint);
}

/** Pairs of angles that follow each other around the circle, and are close enough to be joined. */
function neighbours(angles) {
  angles.sort((a, b) => a - b);
  const steps = angles.map((from, index) => {
    const next = angles[(index + 1) % angles.length];
    return { from, to: next > from ? next : next + 360 };
  });
  return steps.filter(({ from, to }) => to - from <= WIDEST);
}

function drawCurve(context, side, steps, point, tint) {
  context.beginPath();
  for (const { from, to } of steps) {
    context.moveTo(side / 2, side / 2);
    context.lineTo(...point(from));
    context.lineTo(...point(to));
  }
  Object.assign(context, { fillStyle: tint, globalAlpha: 0.22 });
  context.fill();
  context.beginPath();
  for (const { from, to } of steps) {
    context.moveTo(...point(from));
    context.lineTo(...point(to));
  }
  Object.assign(context, { strokeStyle: tint, globalAlpha: 1, lineWidth: 2, lineCap: "round" });
  context.stroke();
}

function drawGrid(context, side, radius) {
  Object.assign(context, { lineWidth: 1, strokeStyle: colour("--line") });
  for (const share of [0.5, 1]) {
    context.beginPath();
    context.arc(side / 2, side / 2, radius * share, 0, 2 * Math.PI);
    context.stroke();
  }
  for (let tick = 0; tick < 360; tick += 90) {
    context.beginPath();
    context.moveTo(side / 2, side / 2);
    context.lineTo(...around(side, tick, radius));
    context.stroke();
  }
}

/** Neighbours with the same answer, together. */
function runs(steps, answers) {
  const found = [];
  for (const { from, to } of steps) {
    const { answer } = answers.get(from);
    const last = found.at(-1);
    if (last && last.answer === answer && last.to === from) last.to = to;
    else found.push({ from, to, answer });
  }
  return found;
}

function drawRun(context, side, radius, { from, to, answer }, digit, tint) {
  const right = answer === digit;
  const radians = (degrees) => -Math.PI / 2 - (degrees * Math.PI) / 180;
  Object.assign(context, { lineWidth: right ? 4 : 2, lineCap: "butt" });
  context.strokeStyle = right ? tint : colour("--faint");
  context.beginPath();
  context.arc(side / 2, side / 2, radius + 5, radians(from), radians(to), true);
  context.stroke();
  if (right || to - from < 12) return;
  context.fillStyle = colour("--muted");
  Object.assign(context, { textAlign: "center", textBaseline: "middle" });
  context.font = "600 10px system-ui, sans-serif";
  context.fillText(answer, ...around(side, (from + to) / 2, radius + 11.5));
}

function drawHand(context, side, radius, angle, answer, tint) {
  Object.assign(context, { lineWidth: 1.5, strokeStyle: colour("--ink") });
  context.beginPath();
  context.moveTo(side / 2, side / 2);
  context.lineTo(...around(side, angle, radius));
  context.stroke();
  if (!answer) return;
  context.beginPath();
  context.arc(...around(side, angle, radius * answer.share), 4.5, 0, 2 * Math.PI);
  context.fillStyle = tint;
  context.fill();
  Object.assign(context, { lineWidth: 2, strokeStyle: colour("--card") });
  context.stroke();
}
