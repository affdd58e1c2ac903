// Turns images as `keras_gcnn.data.rotate` does: counter-clockwise about the centre of the pixels,
// interpolated bilinearly, with zeros outside. Quarter turns are exact.

export const SIZE = 28;

/** Cosine and sine of an angle in degrees; of quarter turns exactly 0, 1 and -1. */
export function direction(degrees) {
  const turns = Math.floor(degrees / 90);
  const rest = ((degrees - 90 * turns) * Math.PI) / 180;
  const [cosine, sine] = [Math.cos(rest), Math.sin(rest)];
  const quarter = ((turns % 4) + 4) % 4;
  return [
    [cosine, sine],
    [-sine, cosine],
    [-cosine, -sine],
    [sine, -cosine],
  ][quarter];
}

/** Turns a square map of `size` rows, with one number or more at each position. */
export function turn(map, degrees, size = SIZE, channels = 1) {
  const [cosine, sine] = direction(degrees);
  const centre = (size - 1) / 2;
  const turned = new Float32Array(map.length);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [down, along] = [row - centre, column - centre];
      const from = [cosine * down + sine * along + centre, cosine * along - sine * down + centre];
      add(map, from, turned, (row * size + column) * channels, size, channels);
    }
  }
  return turned;
}

/** Adds the four pixels around a position, by their shares, to the pixel at `target`. */
function add(map, [fromRow, fromColumn], turned, target, size, channels) {
  const [top, left] = [Math.floor(fromRow), Math.floor(fromColumn)];
  for (const row of [top, top + 1]) {
    for (const column of [left, left + 1]) {
      const share = (1 - Math.abs(fromRow - row)) * (1 - Math.abs(fromColumn - column));
      if (share === 0 || row < 0 || column < 0 || row >= size || column >= size) continue;
      const source = (row * size + column) * channels;
      for (let channel = 0; channel < channels; channel++) {
        turned[target + channel] += share * map[source + channel];
      }
    }
  }
}

/** Whether a position of a map, counted by rows, is in the disc that stays in sight when it turns. */
export function inDisc(position, size) {
  const centre = (size - 1) / 2;
  const [row, column] = [Math.floor(position / size), position % size];
  return Math.hypot(row - centre, column - centre) < size / 2 - 1;
}

/** The angle between 0 and 360 that is as good as this one. */
export const wrap = (degrees) => ((degrees % 360) + 360) % 360;
