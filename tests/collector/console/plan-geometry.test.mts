import assert from "node:assert/strict";
import { test } from "node:test";
import { Plane, type Pixel, View, ellipseBounds, placeLabels, scaleBar, spread } from "../../../collector/console/src/plan-geometry.ts";

const near = (got: number, expected: number, within: number): void => assert.ok(Math.abs(got - expected) <= within, `got ${got}, expected ${expected} ± ${within}`);

test("a place is as far away as the ellipsoid says", () => {
  // From pyproj's azimuthal equidistant projection around the same origin.
  const plane = new Plane({ latitude: 40.7001, longitude: -74.0002 });
  const { east_m, north_m } = plane.at({ latitude: 40.7046, longitude: -73.9943 });
  near(east_m, 498.61, 0.05);
  near(north_m, 499.73, 0.05);
  const west = new Plane({ latitude: -33.9, longitude: 18.4 }).at({ latitude: -33.91, longitude: 18.39 });
  near(west.east_m, -924.82, 0.2);
  near(west.north_m, -1109.25, 0.1);
});

test("the 180th meridian is no wall", () => {
  const { east_m } = new Plane({ latitude: 0, longitude: 179.999 }).at({ latitude: 0, longitude: -179.999 });
  near(east_m, 222.64, 0.01);
});

test("north is up, the scale is the same both ways, and everything is inside the margin", () => {
  const places = [{ east_m: -100, north_m: 0 }, { east_m: 300, north_m: 50 }];
  const view = new View(places, 500, 400, 50, 30);
  near(view.px_per_m, 1, 1e-9);
  const [west, east] = places.map((place) => view.at(place)) as [Pixel, Pixel];
  assert.deepEqual([west.x, east.x], [50, 450]);
  assert.ok(east.y < west.y);
  near(west.y - east.y, 50, 1e-9);
});

test("one place alone is shown with its surroundings", () => {
  const view = new View([{ east_m: 7, north_m: 7 }], 200, 100, 10, 40);
  near(view.px_per_m, 2, 1e-9);
  assert.deepEqual(view.at({ east_m: 7, north_m: 7 }), { x: 100, y: 50 });
  assert.equal(view.holds(view.at({ east_m: 200, north_m: 7 })), false);
});

test("the box around an ellipse turns with it, clockwise from north", () => {
  const size = (azimuth_deg: number): number[] => {
    const [low, high] = ellipseBounds({ east_m: 0, north_m: 0 }, { semi_major_m: 10, semi_minor_m: 4, azimuth_deg });
    return [high.east_m - low.east_m, high.north_m - low.north_m].map(Math.round);
  };
  assert.deepEqual(size(0), [8, 20]);
  assert.deepEqual(size(90), [20, 8]);
  assert.deepEqual(size(45), [15, 15]);
});

test("the scale bar is the longest round length that fits", () => {
  const said = (px_per_m: number): string => scaleBar(px_per_m, 120).text;
  assert.deepEqual([0.05, 0.5, 1, 2.4, 12, 400].map(said), ["2 km", "200 m", "100 m", "50 m", "10 m", "20 cm"]);
  const bar = scaleBar(0.37, 120);
  near(bar.length_px, bar.length_m * 0.37, 1e-9);
  assert.ok(bar.length_px <= 120);
});

test("marks in one place are drawn apart, those alone stay, and none leaves the drawing", () => {
  const within = { width: 300, height: 200 };
  const marks = [{ x: 50, y: 50 }, { x: 50, y: 50 }, { x: 50, y: 50 }, { x: 200, y: 150 }, { x: 1, y: 199 }];
  const drawn = spread(marks, 25, [{ x: 52, y: 48 }], within);
  const all = [...drawn, { x: 52, y: 48 }];
  for (const [index, one] of all.entries()) {
    for (const other of all.slice(index + 1)) assert.ok(Math.hypot(one.x - other.x, one.y - other.y) > 24, JSON.stringify([one, other]));
    assert.ok(one.x >= 12 && one.x <= 288 && one.y >= 12 && one.y <= 188);
  }
  assert.deepEqual(drawn[3], marks[3]);
  assert.deepEqual(spread(marks, 25, [], within), spread(marks, 25, [], within));
});

test("a label covers no mark and no label; without a place for it there is none", () => {
  const mark = { x: 100, y: 100 };
  const taken = [{ left: 89, top: 89, width: 22, height: 22 }, { left: 112, top: 80, width: 200, height: 40 }];
  const [left] = placeLabels([{ mark, width: 40, height: 16 }], 11, taken, { width: 300, height: 200 });
  assert.deepEqual(left, { left: 44, top: 92, width: 40, height: 16 });
  assert.equal(taken.length, 3);
  const everywhere = [{ left: 0, top: 0, width: 300, height: 200 }];
  assert.deepEqual(placeLabels([{ mark, width: 40, height: 16 }], 11, everywhere, { width: 300, height: 200 }), [null]);
});
