/**
 * The plan of an incident: who listened, where it was fired and how sure that is, to scale, north up, without a map.
 *
 * Drawn again in whole when the incident or the size changes, in units that grow with the page's letters and not with
 * the plan, so that its words stay readable at every size. Sensors that would hide each other are drawn apart, each with a line to where it stands.
 */
import { element, setShown, setText } from "./dom.ts";
import { type Box, type Metres, type Pixel, Plane, View, ellipseBounds, placeLabels, scaleBar, spread } from "./plan-geometry.ts";
import type { Ellipse, Incident, Place } from "./records.ts";
import { confidenceText, counted, errorText } from "./shot-wording.ts";
import { type Station, stations } from "./stations.ts";
import { svg } from "./svg.ts";

/** The page's letters, for which the sizes below are chosen. */
const DRAWN_FOR_PX = 14;
const MARGIN = 34;
const RADIUS = 11;
const APART = 2 * RADIUS + 3;
const LETTER = 7.4;
const LINE = 16;
const LEAST_M = 30;
const LEAST_CLOSE_M = 12;
const BAR = 120;
/** As high as the scale bar and the north arrow, which no mark may cover. */
const STRIP = 36;

const LEGEND = [
  ["used", "used"],
  ["rejected", "rejected"],
  ["silent", "heard nothing"],
  ["read", "plate read"],
] as const;
/** An ellipse of fewer pixels is looked at through the gap of the cross, and not through the cross. */
const SMALL = 30;

/** A device that read a plate, where its place is known from what it heard. */
interface Reader {
  readonly place: Place;
  readonly count: number;
}

export class Plan {
  readonly root = element("figure", "plan");
  readonly #drawing = svg("svg", "plan-drawing", { role: "img" });
  readonly #words = element("figcaption", "plan-words");
  readonly #zoom = element("button", "plan-zoom", { type: "button" });
  readonly #legend = element("ul", "plan-legend", { "aria-hidden": "true" });
  readonly #legendOf = new Map<string, HTMLElement>();
  #incident: Incident | null = null;
  #close = false;
  #width = 0;
  #height = 0;

  constructor() {
    const frame = element("div", "plan-frame");
    frame.append(this.#drawing);
    for (const [kind, words] of LEGEND) {
      const entry = element("li", `legend-${kind}`, {}, element("span", "legend-mark"), words);
      this.#legendOf.set(kind, entry);
      this.#legend.append(entry);
    }
    this.root.append(frame, element("div", "plan-below", {}, this.#legend, this.#zoom), this.#words);
    this.#zoom.addEventListener("click", () => this.zoom());
    new ResizeObserver(() => {
      const { width, height } = frame.getBoundingClientRect();
      const unit_px = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / DRAWN_FOR_PX;
      if (width / unit_px === this.#width && height / unit_px === this.#height) return;
      this.#width = width / unit_px;
      this.#height = height / unit_px;
      this.#draw();
    }).observe(frame);
  }

  /** @param other whether this is another incident than before: it is first shown with everybody who listened. */
  show(incident: Incident, other: boolean): void {
    if (other) this.#close = false;
    if (incident === this.#incident) return;
    this.#incident = incident;
    this.#draw();
  }

  clear(): void {
    this.#incident = null;
    this.#drawing.replaceChildren();
  }

  /** Between everybody who listened and the surroundings of the location. */
  zoom(): void {
    if (this.#incident === null || this.#incident.location === null) return;
    this.#close = !this.#close;
    this.#draw();
  }

  #draw(): void {
    const incident = this.#incident;
    if (incident === null || this.#width < 1) return;
    const located = stations(incident).flatMap((station) => (station.place === null ? [] : [{ station, place: station.place }]));
    const outline = incident.region?.outline ?? [];
    const origin = incident.location ?? located[0]?.place ?? outline[0];
    setShown(this.#zoom, incident.location !== null);
    setText(this.#zoom, this.#close ? "All sensors (z)" : "Closer (z)");
    if (origin === undefined) {
      this.#drawing.replaceChildren();
      setText(this.#words, "The place of no sensor is known: there is nothing to draw.");
      return;
    }
    const plane = new Plane(origin);
    const view = this.#view(incident, plane, located.map(({ place }) => plane.at(place)), outline.map((place) => plane.at(place)));
    // What the marks and their labels have; below it are the scale and the arrow.
    const size = { width: view.width, height: view.height };
    this.#drawing.setAttribute("viewBox", `0 0 ${this.#width} ${this.#height}`);
    const shot = incident.location === null ? null : view.at(plane.at(incident.location));
    const twin = incident.twin === null ? null : view.at(plane.at(incident.twin));

    const readers = this.#readers(incident, located);
    const marks = [
      ...located.map(({ station, place }) => ({ station, reader: null, true: view.at(plane.at(place)) })),
      ...readers.map((reader) => ({ station: null, reader, true: view.at(plane.at(reader.place)) })),
    ].filter((mark) => view.holds(mark.true));
    const fixed = [shot, twin].filter((place) => place !== null && view.holds(place)) as Pixel[];
    const drawn = spread(marks.map((mark) => mark.true), APART, fixed, size);
    const taken: Box[] = [...drawn, ...fixed].map(({ x, y }) => ({ left: x - RADIUS - 1, top: y - RADIUS - 1, width: 2 * RADIUS + 2, height: 2 * RADIUS + 2 }));
    const texts = marks.map((mark) => mark.station?.device ?? counted(mark.reader?.count ?? 0, "plate"));
    const labels = placeLabels(
      drawn.map((mark, index) => ({ mark, width: (texts[index] ?? "").length * LETTER, height: LINE })),
      RADIUS,
      taken,
      size,
    );

    this.#drawing.replaceChildren(
      ...this.#area(incident, plane, view),
      ...marks.flatMap((mark, index) => {
        const at = drawn[index] as Pixel;
        const far = Math.hypot(at.x - mark.true.x, at.y - mark.true.y) > 2;
        if (!far) return [];
        return [svg("line", "plan-leader", { x1: mark.true.x, y1: mark.true.y, x2: at.x, y2: at.y }), svg("circle", "plan-foot", { cx: mark.true.x, cy: mark.true.y, r: 2.5 })];
      }),
      ...(twin === null ? [] : [cross("plan-twin", twin, 0, "twin")]),
      ...(shot === null || incident.location === null ? [] : [cross("plan-shot", shot, incident.location.ellipse95.semi_major_m * view.px_per_m, "")]),
      ...marks.map((mark, index) => (mark.station === null ? this.#readerMark(drawn[index] as Pixel) : this.#stationMark(mark.station, drawn[index] as Pixel))),
      ...labels.flatMap((box, index) =>
        box === null ? [] : [svg("text", "plan-label", { x: box.left, y: box.top + LINE * 0.76 }, texts[index] ?? "")],
      ),
      ...this.#furniture(view),
    );
    for (const [kind, entry] of this.#legendOf) {
      setShown(entry, kind === "read" ? readers.length > 0 : located.some(({ station }) => station.hearing === kind));
    }
    const outside = located.length - marks.filter((mark) => mark.station !== null).length;
    const placed = stations(incident).length - located.length;
    const words = [
      outside > 0 ? `${counted(outside, "sensor")} outside this view` : "",
      placed > 0 ? `the place of ${counted(placed, "sensor")} is not known` : "",
    ].filter(Boolean);
    setText(this.#words, words.join("; "));
    this.#drawing.setAttribute("aria-label", this.#described(incident));
  }

  #view(incident: Incident, plane: Plane, heard: readonly Metres[], outline: readonly Metres[]): View {
    const { location, twin } = incident;
    const around = location === null ? outline : ellipseBounds(plane.at(location), location.ellipse95);
    const far = [...heard, ...around, ...(twin === null ? [] : [plane.at(twin)])];
    return new View(this.#close ? around : far, this.#width, this.#height - STRIP, MARGIN, this.#close ? LEAST_CLOSE_M : LEAST_M);
  }

  /** The devices that read plates and whose place a sensor of theirs tells. */
  #readers(incident: Incident, located: readonly { station: Station; place: Place }[]): Reader[] {
    const counts = new Map<string, number>();
    for (const { read } of incident.reads) counts.set(read.device, (counts.get(read.device) ?? 0) + 1);
    return [...counts].flatMap(([device, count]) => {
      const place = located.find(({ station }) => station.device === device)?.place;
      return place === undefined ? [] : [{ place, count }];
    });
  }

  #area(incident: Incident, plane: Plane, view: View): Node[] {
    const { location, region } = incident;
    if (location !== null) {
      const at = view.at(plane.at(location));
      return [this.#ellipse("plan-95", at, location.ellipse95, view), this.#ellipse("plan-50", at, location.ellipse50, view)];
    }
    if (region === null) return [];
    const points = region.outline.map((place) => view.at(plane.at(place))).map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`);
    return [svg("polygon", "plan-region", { points: points.join(" ") })];
  }

  #ellipse(className: string, { x, y }: Pixel, ellipse: Ellipse, view: View): Node {
    // North is up and angles turn clockwise, in the drawing as on the ground: the longer axis is the upright one, turned.
    return svg("ellipse", className, {
      rx: ellipse.semi_minor_m * view.px_per_m,
      ry: ellipse.semi_major_m * view.px_per_m,
      transform: `translate(${x.toFixed(2)} ${y.toFixed(2)}) rotate(${ellipse.azimuth_deg})`,
    });
  }

  #stationMark(station: Station, { x, y }: Pixel): Node {
    const shape = {
      used: svg("circle", "", { r: RADIUS }),
      rejected: svg("path", "", { d: `M0-${RADIUS + 2}L${RADIUS + 2} 0 0 ${RADIUS + 2}-${RADIUS + 2} 0Z` }),
      silent: svg("circle", "", { r: RADIUS }),
    }[station.hearing];
    return svg(
      "g",
      `plan-mark plan-${station.hearing}`,
      { transform: `translate(${x.toFixed(2)} ${y.toFixed(2)})`, "data-number": station.number },
      svg("title", "", {}, `${station.number}: ${station.name}, ${station.words}`),
      shape,
      svg("text", "", { y: 4.5 }, String(station.number)),
    );
  }

  #readerMark({ x, y }: Pixel): Node {
    return svg("g", "plan-mark plan-read", { transform: `translate(${x.toFixed(2)} ${y.toFixed(2)})` }, svg("rect", "", { x: -10, y: -6, width: 20, height: 12, rx: 2 }));
  }

  /** The scale bar and the north arrow, in the strip below. */
  #furniture(view: View): Node[] {
    const bar = scaleBar(view.px_per_m, BAR);
    const y = this.#height - 9;
    const arrow = svg("g", "plan-north", { transform: `translate(${view.width - 30} ${this.#height - 18})` });
    arrow.append(svg("path", "", { d: "M0-12L7 10 0 5-7 10Z" }), svg("text", "", { x: 16, y: 5 }, "N"));
    const scale = svg("path", "", { d: `M10 ${y - 6}V${y}H${(10 + bar.length_px).toFixed(1)}V${y - 6}` });
    return [
      svg("rect", "plan-strip", { y: view.height, width: view.width, height: STRIP }),
      arrow,
      svg("g", "plan-scale", {}, scale, svg("text", "", { x: 15, y: y - 6 }, bar.text)),
    ];
  }

  #described(incident: Incident): string {
    const all = stations(incident);
    const count = (hearing: Station["hearing"]): number => all.filter((station) => station.hearing === hearing).length;
    const place = incident.location === null ? errorText(incident) : `the location ${errorText(incident)}, ${confidenceText(incident)}`;
    return `Plan, north up: ${place}; ${count("used")} used, ${count("rejected")} rejected, ${count("silent")} silent. The table of sensors says the same in words.`;
  }
}

/** A cross, with a gap around an ellipse too small to be seen under it. */
function cross(className: string, { x, y }: Pixel, ellipse_px: number, text: string): Node {
  const gap = ellipse_px > 0 && ellipse_px < SMALL ? ellipse_px + 3 : 0;
  const end = gap + (gap > 0 ? 8 : 11);
  const d = `M${-end} 0H${-gap}M${gap} 0H${end}M0 ${-end}V${-gap}M0 ${gap}V${end}`;
  const group = svg("g", className, { transform: `translate(${x.toFixed(2)} ${y.toFixed(2)})` }, svg("path", "plan-halo", { d }), svg("path", "", { d }));
  if (text !== "") group.append(svg("text", "plan-label", { x: 8, y: -6 }, text));
  return group;
}
