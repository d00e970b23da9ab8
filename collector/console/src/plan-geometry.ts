/**
 * From places on the earth to pixels of a plan drawn to scale.
 *
 * Pure. The plane is tangent at one place of the WGS 84 ellipsoid (its two radii of curvature there): over the few
 * kilometres that a shot is heard it is true to a thousandth, less than a pixel.
 */
import type { Ellipse, Place } from "./records.ts";

const SEMI_MAJOR_M = 6_378_137;
const ECCENTRICITY_2 = 0.006_694_379_990_14;
const RADIANS = Math.PI / 180;

/** A place in the plane. */
export interface Metres {
  readonly east_m: number;
  readonly north_m: number;
}

/** A place on the drawing: x to the right, y down. */
export interface Pixel {
  readonly x: number;
  readonly y: number;
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The plane around a place. */
export class Plane {
  readonly #origin: Place;
  readonly #eastPerDegree_m: number;
  readonly #northPerDegree_m: number;

  constructor(origin: Place) {
    const latitude = origin.latitude * RADIANS;
    const flattened = 1 - ECCENTRICITY_2 * Math.sin(latitude) ** 2;
    this.#origin = origin;
    this.#eastPerDegree_m = (SEMI_MAJOR_M / Math.sqrt(flattened)) * Math.cos(latitude) * RADIANS;
    this.#northPerDegree_m = ((SEMI_MAJOR_M * (1 - ECCENTRICITY_2)) / flattened ** 1.5) * RADIANS;
  }

  at(place: Place): Metres {
    // The short way round where the plane spans the 180th meridian.
    const east_deg = ((place.longitude - this.#origin.longitude + 540) % 360) - 180;
    return { east_m: east_deg * this.#eastPerDegree_m, north_m: (place.latitude - this.#origin.latitude) * this.#northPerDegree_m };
  }
}

/** Two corners of the upright box around an ellipse. */
export function ellipseBounds(centre: Metres, ellipse: Ellipse): [Metres, Metres] {
  const azimuth = ellipse.azimuth_deg * RADIANS;
  const east_m = Math.hypot(ellipse.semi_major_m * Math.sin(azimuth), ellipse.semi_minor_m * Math.cos(azimuth));
  const north_m = Math.hypot(ellipse.semi_major_m * Math.cos(azimuth), ellipse.semi_minor_m * Math.sin(azimuth));
  return [
    { east_m: centre.east_m - east_m, north_m: centre.north_m - north_m },
    { east_m: centre.east_m + east_m, north_m: centre.north_m + north_m },
  ];
}

/** Which part of the plane is drawn, and how large: the same scale both ways, north up. */
export class View {
  readonly px_per_m: number;
  readonly width: number;
  readonly height: number;
  readonly #centre: Metres;

  /**
   * The largest scale at which all of `inside` is at least `margin` pixels from the edges.
   *
   * @param least_m never show less than this across: a plan of one metre tells nobody where they are.
   */
  constructor(inside: readonly Metres[], width: number, height: number, margin: number, least_m: number) {
    const east = inside.map((one) => one.east_m);
    const north = inside.map((one) => one.north_m);
    const [west_m, east_m] = east.length > 0 ? [Math.min(...east), Math.max(...east)] : [0, 0];
    const [south_m, north_m] = north.length > 0 ? [Math.min(...north), Math.max(...north)] : [0, 0];
    const across = Math.max(1, width - 2 * margin) / Math.max(east_m - west_m, least_m);
    const down = Math.max(1, height - 2 * margin) / Math.max(north_m - south_m, least_m);
    this.px_per_m = Math.min(across, down);
    this.width = width;
    this.height = height;
    this.#centre = { east_m: (west_m + east_m) / 2, north_m: (south_m + north_m) / 2 };
  }

  at(place: Metres): Pixel {
    return {
      x: this.width / 2 + (place.east_m - this.#centre.east_m) * this.px_per_m,
      y: this.height / 2 - (place.north_m - this.#centre.north_m) * this.px_per_m,
    };
  }

  holds({ x, y }: Pixel): boolean {
    return x >= 0 && x <= this.width && y >= 0 && y <= this.height;
  }
}

/** The longest bar of 1, 2 or 5 times a power of ten metres that fits into `longest` pixels. */
export function scaleBar(px_per_m: number, longest: number): { length_m: number; length_px: number; text: string } {
  const limit_m = longest / px_per_m;
  const power = 10 ** Math.floor(Math.log10(limit_m));
  const length_m = [5, 2, 1].map((digit) => digit * power).find((length) => length <= limit_m * (1 + 1e-9)) ?? power;
  const text = length_m >= 1000 ? `${length_m / 1000} km` : length_m >= 1 ? `${length_m} m` : `${Math.round(length_m * 100)} cm`;
  return { length_m, length_px: length_m * px_per_m, text };
}

const ROUNDS = 60;

/**
 * Move marks apart until their centres are `apart` pixels from each other and from those that stay where they are, so
 * that none hides another; the order of the marks decides nothing but ties.
 */
export function spread(marks: readonly Pixel[], apart: number, fixed: readonly Pixel[], within: { width: number; height: number }): Pixel[] {
  const moved = marks.map((mark) => ({ ...mark }));
  const edge = apart / 2;
  for (let round = 0; round < ROUNDS; round++) {
    let still = true;
    moved.forEach((one, index) => {
      const others = [...moved.slice(index + 1).map((other) => ({ other, movable: true })), ...fixed.map((other) => ({ other: { ...other }, movable: false }))];
      for (const { other, movable } of others) {
        const distance = Math.hypot(other.x - one.x, other.y - one.y);
        if (distance >= apart - 0.01) continue;
        still = false;
        // Marks in one place part along a direction of their own, or they would never part.
        const angle = distance > 0.01 ? Math.atan2(other.y - one.y, other.x - one.x) : index * 2.4;
        const push = (apart - distance) / (movable ? 2 : 1);
        one.x -= Math.cos(angle) * push;
        one.y -= Math.sin(angle) * push;
        if (!movable) continue;
        other.x += Math.cos(angle) * push;
        other.y += Math.sin(angle) * push;
      }
    });
    for (const one of moved) {
      one.x = Math.min(Math.max(one.x, edge), within.width - edge);
      one.y = Math.min(Math.max(one.y, edge), within.height - edge);
    }
    if (still) break;
  }
  return moved;
}

const overlap = (a: Box, b: Box): boolean =>
  a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;

/**
 * A place for each label beside its mark, where it covers nothing and nothing covers it; null where there is none.
 *
 * @param taken what no label may cover; the labels that are placed are added to it.
 */
export function placeLabels(
  labels: readonly { readonly mark: Pixel; readonly width: number; readonly height: number }[],
  radius: number,
  taken: Box[],
  within: { width: number; height: number },
): (Box | null)[] {
  return labels.map(({ mark, width, height }) => {
    const gap = radius + 5;
    const middle = mark.y - height / 2;
    const centred = mark.x - width / 2;
    const choices = [
      [mark.x + gap, middle],
      [mark.x - gap - width, middle],
      [centred, mark.y + gap],
      [centred, mark.y - gap - height],
      [mark.x + gap * 0.7, mark.y + gap * 0.7],
      [mark.x - gap * 0.7 - width, mark.y + gap * 0.7],
      [mark.x + gap * 0.7, mark.y - gap * 0.7 - height],
      [mark.x - gap * 0.7 - width, mark.y - gap * 0.7 - height],
    ] as const;
    for (const [left, top] of choices) {
      const box = { left, top, width, height };
      const inside = left >= 0 && top >= 0 && left + width <= within.width && top + height <= within.height;
      if (!inside || taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      return box;
    }
    return null;
  });
}
