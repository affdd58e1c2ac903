// Canvases that are sharp on every screen, and the colours of the page's style sheet.

/** Returns the context of a canvas in its CSS pixels, cleared, and the length of its side. */
export function prepare(canvas) {
  const side = canvas.clientWidth;
  const density = window.devicePixelRatio || 1;
  const pixels = Math.round(side * density);
  if (canvas.width !== pixels || canvas.height !== pixels) {
    canvas.width = pixels;
    canvas.height = pixels;
  }
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, side, side);
  return { context, side };
}

/** Returns a function that draws what an element shows, now or as soon as it comes into sight. */
export function whenInSight(element, draw) {
  let isInSight = false;
  const observer = new IntersectionObserver(([entry]) => {
    isInSight = entry.isIntersecting;
    if (isInSight) draw();
  });
  observer.observe(element);
  return () => {
    if (isInSight) draw();
  };
}

/** The value of a colour of the style sheet, such as "--ink". */
export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The same as the three numbers red, green and blue; the style sheet has #rrggbb. */
export const rgb = (name) =>
  [1, 3, 5].map((start) => Number.parseInt(colour(name).slice(start, start + 2), 16));

/** The point at an angle, counter-clockwise from the top, around the centre of a square. */
export function around(side, degrees, radius) {
  const radians = (degrees * Math.PI) / 180;
  return [side / 2 - radius * Math.sin(radians), side / 2 - radius * Math.cos(radians)];
}
