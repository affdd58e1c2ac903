// The fields of the three networks: how they are taken from a map, turned back and compared. A kind
// of field says how many channels a field has, how it is drawn, and which field is shown first.

import { drawArrows, drawOrientations } from "./drawfields.js";
import { direction, inDisc } from "./turning.js";

/** A field of a plain network: one map, which does not know of turns. */
export const PLAIN = {
  first: 6,
  size: 26,
  channels: 1,
  back: (field) => field,
  draw: drawOrientations,
};

/** A field on P4: four maps. A quarter turn moves each to the place of the next. */
export const P4 = {
  first: 9,
  size: 26,
  channels: 4,
  back(field, angle) {
    const quarters = Math.round(angle / 90);
    return field.map((_, index) => field[index - (index % 4) + ((index + quarters) % 4)]);
  },
  draw: drawOrientations,
};

/** A field of SO(2): a number, an arrow that turns by the angle, and channels that are not shown. */
export const SO2 = {
  first: 2,
  size: 28,
  channels: 9,
  back(field, angle) {
    const [cosine, sine] = direction(angle);
    const turned = field.slice();
    for (let start = 0; start < field.length; start += 9) {
      const [right, up] = [field[start + 1], field[start + 2]];
      turned[start + 1] = cosine * right + sine * up;
      turned[start + 2] = cosine * up - sine * right;
    }
    return turned;
  },
  draw: drawArrows,
  shown: 3,
};

/** The channels of one field, at all positions. */
export function pick(maps, number, { size, channels }) {
  const all = maps.length / (size * size);
  return Float32Array.from({ length: size * size * channels }, (_, index) => {
    const position = Math.floor(index / channels);
    return maps[position * all + number * channels + (index % channels)];
  });
}

/**
 * The norm of the difference on what is shown, as a share of the norm of what varies in the
 * reference: most maps are far from zero where the image is blank.
 */
export function difference(map, reference, { size, channels, shown = channels }) {
  let [apart, whole] = [0, 0];
  for (let channel = 0; channel < shown; channel++) {
    const places = Array.from({ length: size * size }, (_, at) => at)
      .filter((at) => inDisc(at, size))
      .map((at) => at * channels + channel);
    const mean = places.reduce((sum, at) => sum + reference[at], 0) / places.length;
    for (const at of places) {
      apart += (map[at] - reference[at]) ** 2;
      whole += (reference[at] - mean) ** 2;
    }
  }
  return Math.sqrt(apart / Math.max(whole, 1e-12));
}
