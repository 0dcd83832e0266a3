/** Places for labels of points: none over another, and none that could be taken for another's. */

import type { Box, Spot } from "./boxes.ts";
import { distanceTo, isInside, overlap, spotsBetween } from "./boxes.ts";

export interface LabelledPoint extends Spot {
  /** Size of the label's text. */
  readonly width: number;
  readonly height: number;
  /** Told from the others by its colour: its label may be near to other points, not on them. */
  readonly isDistinct?: boolean;
}

export interface Label {
  readonly box: Box;
  /** Where a line from the point ends, for a label that is not beside its point. */
  readonly lineTo: Spot | undefined;
}

/** All in heights of a line: between a point's middle and its label, */
const GAP = 0.7;

/** between a label or its line and another point, */
const CLEAR = 0.45;

/** between a label with a line and another point, and how far away it may be. */
const FAR_CLEAR = 0.9;
const FARTHEST = 7;

/**
 * A place for each label, in the order of the points: the first ones choose first. Undefined where
 * there is none.
 *
 * @param area what labels stay inside
 */
export function placeLabels(points: readonly LabelledPoint[], area: Box): (Label | undefined)[] {
  const boxes: Box[] = [];
  const lines: Spot[] = [];
  const isFree = (box: Box) =>
    isInside(box, area) &&
    !boxes.some((other) => overlap(box, widened(other))) &&
    !lines.some((spot) => distanceTo(box, spot) === 0);
  return points.map((point) => {
    const others = points.filter((other) => other !== point);
    const near = nearPlaces(point).find((box) => isFree(box) && isOwn(box, point, others));
    if (near !== undefined) {
      boxes.push(near);
      return { box: near, lineTo: undefined };
    }
    for (const box of farPlaces(point)) {
      if (!isFree(box) || others.some((other) => distanceTo(box, other) < FAR_CLEAR * box.height)) {
        continue;
      }
      const lineTo = nearestSpot(box, point);
      const line = spotsBetween(point, lineTo);
      const isClear = line.every(
        (spot) =>
          !boxes.some((other) => distanceTo(other, spot) === 0) &&
          others.every(({ x, y }) => Math.hypot(x - spot.x, y - spot.y) > CLEAR * box.height),
      );
      if (!isClear) continue;
      boxes.push(box);
      lines.push(...line);
      return { box, lineTo };
    }
    return undefined;
  });
}

/** Beside the point, above and below it, then at its corners. */
function nearPlaces({ x, y, width, height }: LabelledPoint): Box[] {
  const gap = GAP * height;
  const [right, left, centre] = [x + gap, x - gap - width, x - width / 2];
  const [beside, above, below] = [y - height / 2, y - gap - height, y + gap];
  const places: readonly (readonly [number, number])[] = [
    [right, beside],
    [left, beside],
    [centre, above],
    [centre, below],
    [right, y - height],
    [right, y],
    [left, y - height],
    [left, y],
    [x, above],
    [x, below],
    [x - width, above],
    [x - width, below],
  ];
  return places.map(([boxLeft, top]) => ({ left: boxLeft, top, width, height }));
}

/** Further and further away, to all sides. */
function farPlaces({ x, y, width, height }: LabelledPoint): Box[] {
  const places: Box[] = [];
  for (let distance = 1.5; distance <= FARTHEST; distance += 0.5) {
    for (let angle = 0; angle < 16; angle++) {
      const dx = Math.cos((angle * Math.PI) / 8) * distance * height;
      const dy = Math.sin((angle * Math.PI) / 8) * distance * height;
      // The label's near end is where the line would end.
      const left = Math.abs(dx) < height / 2 ? x - width / 2 : dx > 0 ? x + dx : x + dx - width;
      places.push({ left, top: y + dy - height / 2, width, height });
    }
  }
  return places;
}

/** No other point is nearly as near to the label, let alone under it. */
function isOwn(box: Box, point: LabelledPoint, others: readonly LabelledPoint[]): boolean {
  const covered = CLEAR * point.height;
  const least =
    point.isDistinct === true ? covered : Math.max(1.2 * distanceTo(box, point), covered);
  return others.every((other) => distanceTo(box, other) > least);
}

/** With the space of a letter at both sides: labels side by side are not one sentence. */
function widened({ left, top, width, height }: Box): Box {
  const space = height / 2;
  return { left: left - space, top, width: width + 2 * space, height };
}

function nearestSpot(box: Box, { x, y }: Spot): Spot {
  return {
    x: Math.max(box.left, Math.min(x, box.left + box.width)),
    y: Math.max(box.top, Math.min(y, box.top + box.height)),
  };
}
