/** Boxes and spots in any one unit; y goes down. */

export interface Spot {
  readonly x: number;
  readonly y: number;
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** 0 inside the box. */
export function distanceTo(box: Box, { x, y }: Spot): number {
  const dx = Math.max(box.left - x, 0, x - box.left - box.width);
  const dy = Math.max(box.top - y, 0, y - box.top - box.height);
  return Math.hypot(dx, dy);
}

export function isInside(box: Box, area: Box): boolean {
  return (
    box.left >= area.left &&
    box.left + box.width <= area.left + area.width &&
    box.top >= area.top &&
    box.top + box.height <= area.top + area.height
  );
}

export function overlap(a: Box, b: Box): boolean {
  return (
    a.left < b.left + b.width &&
    b.left < a.left + a.width &&
    a.top < b.top + b.height &&
    b.top < a.top + a.height
  );
}

/** Evenly spaced spots of a line, without its beginning and its end. */
export function spotsBetween(from: Spot, to: Spot, count = 12): Spot[] {
  return Array.from({ length: count }, (_, i) => {
    const share = (i + 1) / (count + 1);
    return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
  });
}
