/**
 * The desk: what the logged-in operator sees and does.
 *
 * Invariants: the selection is an alert's id, or an incident's that raised none, and changes only by the operator's hand
 * (or from nothing to something, or to the alert that the incident has raised now); an acknowledgement that failed stays on its alert until it is tried again or seen to be recorded; "live" is shown only
 * while the stream is heard, the lists were asked for since it was opened, and the collector hears its devices.
 */
import { Acknowledgements } from "./acknowledgements.ts";
import { AlertBook, neighbour } from "./alert-book.ts";
import { AlertDetail, type DetailState } from "./alert-detail.ts";
import { AlertList } from "./alert-list.ts";
import type { RowState } from "./alert-row.ts";
import { Announcer } from "./announcer.ts";
import * as api from "./api.ts";
import { ConnectionLine } from "./connection-line.ts";
import { DeviceList } from "./device-list.ts";
import { byId, setShown, setText } from "./dom.ts";
import { Incidents } from "./incidents.ts";
import { alertOf, incidentOf } from "./parsing.ts";
import { PassageBook } from "./passage-book.ts";
import type { Alert, ArrivedPicture, Device, Disposition, Incident, Passage, PlateRead, Session, ShotArrival } from "./records.ts";
import { verdictText } from "./shot-wording.ts";
import type { Sound } from "./sound.ts";
import { type Kind, Stream } from "./stream.ts";
import { Ticker, readParts, shotParts } from "./tickers.ts";
import type { JudgeState } from "./verdict-bar.ts";
import { type GivenVerdict, Verdicts } from "./verdicts.ts";
import { dispositionText, sameVehicleText } from "./wording.ts";

const PAGE_LIMIT = 50;
const PAGES = 4;
const READS = 50;
const PASSAGES = 50;
const SHOTS = 30;
const PICTURES_REMEMBERED = 1_000;
const PAINT_AFTER_MS = 16;
const CATCH_UP_AGAIN_MS = 3_000;
const CATCH_UP_EVERY_MS = 60_000;
const MAY_ACKNOWLEDGE = new Set(["operator", "supervisor", "administrator"]);

export class Desk {
  readonly #book = new AlertBook();
  readonly #list: AlertList;
  readonly #detail: AlertDetail;
  readonly #passages = new PassageBook();
  readonly #incidents: Incidents;
  readonly #verdicts: Verdicts;
  readonly #reads = new Ticker<PlateRead>(byId("read-list", HTMLOListElement), "read", READS, (read) =>
    readParts(read, this.#passages.ofRead(read.id)),
  );
  readonly #shots = new Ticker<ShotArrival>(byId("shot-list", HTMLOListElement), "shot", SHOTS, shotParts);
  readonly #devices = new DeviceList(byId("device-list", HTMLOListElement));
  readonly #connection = new ConnectionLine();
  readonly #count = byId("unacknowledged", HTMLElement);
  readonly #note = byId("queue-note", HTMLParagraphElement);
  readonly #announcer: Announcer;
  readonly #acknowledgements: Acknowledgements;
  readonly #stream: Stream;
  readonly #onSessionEnd: (message: string) => void;

  #session: Session | null = null;
  #selected: number | null = null;
  /** The incident without an alert that is looked at in place of an alert. */
  #looking: number | null = null;
  /** The selected alert if it was unacknowledged when selected: it keeps its place until another is selected. */
  #pinned: number | null = null;
  readonly #arrivedPictures = new Set<string>();
  /** What the stream has told of since the lists were asked for: their answers may be older. */
  readonly #told = { reads: new Set<number>(), passages: new Set<number>(), devices: new Set<string>() };
  /** Passages that were asked for and have not been answered. */
  readonly #asked = new Set<number>();
  /** Alerts that could not be closed, and why. */
  readonly #notClosed = new Map<number, string>();
  #unseenReads: PlateRead[] = [];
  #unseenShots: ShotArrival[] = [];
  #collectorAhead_ms = 0;
  /** Counts what the operator has chosen to see, so that an answer that comes late does not undo a later choice. */
  #choices = 0;
  /** Counts sessions and their ends, so that the answer to an earlier one is not taken for this one's. */
  #turn = 0;
  #caughtUp = false;
  #hearing = false;
  #catchUp: "idle" | "running" | "again" = "idle";
  #listProblem = "";
  #forbidden = "";
  #listed = false;
  #caughtUpAt_ms = 0;
  #paintTimer: number | undefined;
  #catchUpTimer: number | undefined;

  /** @param onSessionEnd called when the collector says that the session has ended, with what to tell the operator. */
  constructor(sound: Sound, onSessionEnd: (message: string) => void) {
    this.#announcer = new Announcer(sound, byId("spoken", HTMLParagraphElement));
    this.#onSessionEnd = onSessionEnd;
    const scroll = byId("queue-scroll", HTMLDivElement);
    const newer = byId("newer", HTMLButtonElement);
    this.#list = new AlertList(byId("alert-list", HTMLOListElement), scroll, newer, (id) => this.select(id));
    this.#detail = new AlertDetail(byId("detail", HTMLElement), {
      acknowledge: (id) => void this.acknowledge(id),
      close: (id, disposition) => void this.closeAlert(id, disposition),
      judge: (incident, given) => void this.judge(incident, given),
      showIncident: (id) => void this.lookAt(id),
      say: (words) => this.#announcer.say(words),
    });
    this.#incidents = new Incidents({
      changed: () => this.#paintSoon(),
      select: (id) => void this.lookAt(id),
      ended: (message) => this.#onSessionEnd(message),
    });
    this.#acknowledgements = new Acknowledgements({
      changed: () => this.#paint(),
      recorded: (alert) => {
        this.#take(alert);
        this.#announcer.say(`Acknowledged by ${alert.acknowledged_by ?? "unknown"}`);
      },
      ended: (message) => this.#onSessionEnd(message),
    });
    this.#verdicts = new Verdicts({
      changed: () => this.#paintSoon(),
      recorded: (incident) => this.#recorded(incident),
      ended: (message) => this.#onSessionEnd(message),
    });
    this.#stream = new Stream({
      opened: () => this.#startCatchUp(),
      unreadable: () => this.#startCatchUp(),
      arrived: (kind, record) => this.#arrived(kind, record),
      refused: () => this.#askWhoIAm(),
      clock: (collector_ms) => (this.#collectorAhead_ms = collector_ms - Date.now()),
      hearing: (hearing) => (this.#hearing = hearing),
    });
    window.setInterval(() => this.tick(), 1_000);
  }

  /** Begin for this session. What failed for another user is none of this one's business. */
  open(session: Session, previousUser: string | null): void {
    if (session.user !== previousUser) {
      this.#acknowledgements.forget();
      this.#verdicts.forget();
    }
    this.#turn++;
    this.#session = session;
    this.#caughtUp = false;
    this.#hearing = false;
    this.#listed = false;
    this.#listProblem = "";
    this.#forbidden = "";
    this.#stream.start();
    this.tick();
    this.#paint();
  }

  /** End: nothing of what was shown stays on the page. */
  close(): void {
    this.#turn++;
    this.#choices++;
    this.#session = null;
    this.#stream.stop();
    for (const timer of [this.#paintTimer, this.#catchUpTimer]) window.clearTimeout(timer);
    this.#paintTimer = this.#catchUpTimer = undefined;
    this.#catchUp = "idle";
    this.#book.clear();
    this.#acknowledgements.close();
    this.#arrivedPictures.clear();
    this.#notClosed.clear();
    this.#unseenReads = [];
    this.#unseenShots = [];
    this.#selected = this.#pinned = this.#looking = null;
    this.#incidents.close();
    this.#verdicts.close();
    this.#list.show([], null, (alert) => this.#rowState(alert));
    this.#detail.clear();
    this.#reads.clear();
    this.#shots.clear();
    this.#devices.clear();
    this.#passages.clear();
    this.#asked.clear();
    this.#announcer.clear();
    document.title = "Nightjar";
  }

  /** Once a second, and when the page comes into view again. */
  tick(): void {
    if (this.#session === null) return;
    this.#stream.watch();
    const { liveness } = this.#stream;
    const said = this.#connection.show(liveness, this.#caughtUp, this.#hearing, this.#listProblem, this.#collector_ms);
    if (said !== null) this.#announcer.say(said);
    this.#list.tick(this.#collector_ms);
    this.#detail.tick(this.#collector_ms);
    this.#title();
    if (this.#caughtUp && performance.now() - this.#caughtUpAt_ms > CATCH_UP_EVERY_MS) this.#startCatchUp();
  }

  select(id: number | null, focus = false): void {
    const alert = id === null ? undefined : this.#book.get(id);
    if (alert === undefined) return;
    this.#choices++;
    if (alert.id !== this.#selected || this.#looking !== null) {
      this.#selected = alert.id;
      this.#looking = null;
      this.#pinned = alert.state === "new" ? alert.id : null;
      this.#paint();
    }
    this.#list.reveal(alert.id, focus);
  }

  /** Select the alert `step` rows below (negative: above) and bring the keyboard there. */
  move(step: number): void {
    const ids = this.#book.ordered(this.#pinned).map((alert) => alert.id);
    this.select(neighbour(ids, this.#selected, step), true);
  }

  moveToNewest(): void {
    const newest = this.#book.ordered(null)[0];
    if (newest?.state === "new") this.select(newest.id, true);
    else this.#announcer.say("No unacknowledged alert");
  }

  /** Show an incident: in its alert, or by itself if it raised none. */
  async lookAt(id: number): Promise<void> {
    const choice = ++this.#choices;
    const incident = await this.#incidents.ask(id);
    if (choice !== this.#choices) return; // Something else was chosen meanwhile.
    if (incident === undefined) {
      this.#announcer.say(`Incident ${id} cannot be had from the collector`);
      return;
    }
    const known = this.#book.ofIncident(id);
    const alert = known ?? (await this.#askForAlert(incident.alert));
    if (choice !== this.#choices) return;
    if (alert !== undefined) {
      if (known === undefined) this.#book.apply(alert, alert.id);
      this.select(alert.id);
      return;
    }
    this.#looking = id;
    this.#selected = this.#pinned = null;
    this.#paint();
    this.#incidents.reveal(id);
  }

  /** Show the alert of this number, also one that the page does not hold. */
  async showAlert(id: number): Promise<void> {
    const choice = ++this.#choices;
    const known = this.#book.get(id);
    const alert = known ?? (await this.#askForAlert(id));
    if (choice !== this.#choices) return;
    if (alert === undefined) {
      this.#announcer.say(`Alert ${id} cannot be had from the collector`);
      return;
    }
    if (known === undefined) this.#book.apply(alert, alert.id);
    this.select(alert.id);
  }

  /** Look at the next older incident that called nobody; at the newest from an alert, and after the oldest. */
  moveInHeard(): void {
    const ids = this.#incidents.notAlerted;
    const next = ids[(this.#looking === null ? -1 : ids.indexOf(this.#looking)) + 1] ?? ids[0];
    if (next === undefined) this.#announcer.say("Nothing was heard that raised no alert");
    else void this.lookAt(next);
  }

  /** What the keys do to what is selected. */
  get detail(): AlertDetail {
    return this.#detail;
  }

  acknowledgeSelected(): void {
    if (this.#selected !== null) void this.acknowledge(this.#selected);
  }

  async judge(incident: number, given: GivenVerdict): Promise<void> {
    if (this.#mayAcknowledge) await this.#verdicts.give(incident, given);
  }

  async acknowledge(id: number): Promise<void> {
    const alert = this.#book.get(id);
    if (alert !== undefined && this.#mayAcknowledge) await this.#acknowledgements.give(alert);
  }

  /** Say what became of an alert; why that failed stays with it until it is tried again. */
  async closeAlert(id: number, disposition: Disposition): Promise<void> {
    const turn = this.#turn;
    if (!this.#mayAcknowledge) return;
    this.#notClosed.delete(id);
    try {
      const closed = await api.close(id, disposition);
      if (turn !== this.#turn) return;
      this.#take(closed);
      this.#announcer.say(`Closed as ${dispositionText(disposition)}`);
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof api.SessionEnded) this.#onSessionEnd(`Your session has ended. Alert ${id} was not closed: log in and try again.`);
      else this.#notClosed.set(id, `Not closed: ${(error as Error).message}.${error instanceof api.Unreachable ? " Trying again is safe." : ""}`);
    }
    this.#paintSoon();
  }

  get #mayAcknowledge(): boolean {
    return MAY_ACKNOWLEDGE.has(this.#session?.role ?? "");
  }

  get #collector_ms(): number {
    return Date.now() + this.#collectorAhead_ms;
  }

  #arrived(kind: Kind, record: unknown): void {
    if (kind === "alert") {
      const alert = alertOf(record);
      const before = this.#book.get(alert.id);
      this.#take(alert);
      // It calls again when its vehicle is seen elsewhere, when nobody answers, and when its entry is recalled.
      const calls = before === undefined ? alert.state === "new" : alert.soundings > before.soundings;
      if (calls) this.#announcer.call([alert]);
    } else if (kind === "read") {
      const read = record as PlateRead;
      this.#told.reads.add(read.id);
      this.#passages.revise(read);
      this.#book.revise(read);
      this.#unseenReads.push(read);
    } else if (kind === "passage") {
      const passage = record as Passage;
      this.#told.passages.add(passage.id);
      this.#reads.refresh(this.#passages.apply(passage));
    } else if (kind === "incident") {
      this.#hear(incidentOf(record));
    } else if (kind === "device") {
      const device = record as Device;
      this.#told.devices.add(device.id);
      this.#devices.take([device]);
    } else if (kind === "shot") {
      this.#unseenShots.push(record as ShotArrival);
    } else {
      this.#rememberPicture((record as ArrivedPicture).sha256);
    }
    this.#paintSoon();
  }

  /** Take an alert as the collector says it is; true if it was not known. */
  #take(alert: Alert): boolean {
    if (alert.state !== "new") this.#acknowledgements.settled(alert.id);
    if (alert.state === "closed") this.#notClosed.delete(alert.id);
    if (alert.kind === "shot") this.#incidents.arrived(alert.incident, this.#looking);
    return this.#book.apply(alert, this.#selected);
  }

  /** Take an incident as the collector says it is, beside its alert and in it. */
  #hear(incident: Incident): void {
    this.#incidents.arrived(incident, this.#looking);
    this.#book.retell(incident);
  }

  #recorded(incident: Incident): void {
    this.#hear(incident);
    const { verdict } = incident;
    if (verdict !== null) this.#announcer.say(`Verdict recorded: ${verdictText(verdict)}, by ${verdict.by}`);
    this.#paintSoon();
  }

  /** Ask for an alert that is older than those the page holds; without an answer its incident is shown by itself. */
  async #askForAlert(id: number | null): Promise<Alert | undefined> {
    const turn = this.#turn;
    if (id === null) return undefined;
    try {
      const alert = await api.alert(id);
      return turn === this.#turn ? alert : undefined;
    } catch (error) {
      if (turn === this.#turn && error instanceof api.SessionEnded) this.#onSessionEnd("Your session has ended: log in again.");
      return undefined;
    }
  }

  /** Ask for the passage of an alert that the page has not heard of; without an answer the alert stands by itself. */
  async #askForPassage(id: number): Promise<void> {
    const turn = this.#turn;
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    try {
      const passage = await api.passage(id);
      if (turn !== this.#turn || this.#passages.get(id) !== undefined) return;
      this.#reads.refresh(this.#passages.apply(passage));
      this.#paintSoon();
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof api.SessionEnded) this.#onSessionEnd("Your session has ended: log in again.");
    } finally {
      // What failed is asked for again when its alert is next painted, after a while.
      if (turn === this.#turn) window.setTimeout(() => this.#asked.delete(id), CATCH_UP_AGAIN_MS);
    }
  }

  #rememberPicture(sha256: string): void {
    this.#arrivedPictures.delete(sha256);
    this.#arrivedPictures.add(sha256);
    for (const oldest of this.#arrivedPictures) {
      if (this.#arrivedPictures.size <= PICTURES_REMEMBERED) break;
      this.#arrivedPictures.delete(oldest);
    }
  }

  async #askWhoIAm(): Promise<void> {
    const turn = this.#turn;
    try {
      await api.me();
    } catch (error) {
      if (turn === this.#turn && error instanceof api.SessionEnded) this.#onSessionEnd("Your session has ended: log in again.");
    }
  }

  #startCatchUp(): void {
    if (this.#catchUp !== "idle") {
      this.#catchUp = "again";
      return;
    }
    this.#catchUp = "running";
    for (const told of Object.values(this.#told)) told.clear();
    this.#incidents.beginList();
    window.clearTimeout(this.#catchUpTimer);
    void this.#catchUpOnce(this.#turn);
  }

  async #catchUpOnce(turn: number): Promise<void> {
    let again_ms: number | null = null;
    try {
      await Promise.all([
        this.#catchUpAlerts(turn),
        this.#catchUpReads(turn),
        this.#catchUpDevices(turn),
        this.#catchUpShots(turn),
        this.#incidents.catchUp(this.#looking),
      ]);
      if (turn !== this.#turn) return;
      this.#listProblem = "";
      this.#caughtUp = true;
      this.#listed = true;
      this.#caughtUpAt_ms = performance.now();
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof api.SessionEnded) {
        this.#onSessionEnd("Your session has ended: log in again.");
        return;
      }
      const forbidden = error instanceof api.Refused && error.status === 403;
      this.#forbidden = forbidden ? error.message : "";
      this.#caughtUp = forbidden; // There is no more for this role to see.
      this.#caughtUpAt_ms = performance.now();
      this.#listProblem = (error as Error).message;
      again_ms = forbidden ? null : CATCH_UP_AGAIN_MS;
    }
    if (this.#catchUp === "again") again_ms ??= 0;
    this.#catchUp = "idle";
    if (again_ms !== null) this.#catchUpTimer = window.setTimeout(() => this.#startCatchUp(), again_ms);
    this.tick();
    this.#paint();
  }

  async #catchUpAlerts(turn: number): Promise<void> {
    const begun = this.#book.beginList();
    const listed: Alert[] = [];
    let complete = false;
    for (let page = 0; page < PAGES && !complete; page++) {
      const alerts = await api.alerts("new", PAGE_LIMIT, listed.at(-1)?.id ?? null);
      listed.push(...alerts);
      complete = alerts.length < PAGE_LIMIT;
    }
    // Asked for second, so that an alert acknowledged in between is in one of the two.
    const acknowledged = await api.alerts("acknowledged", PAGE_LIMIT);
    if (turn !== this.#turn) return;
    for (const alert of acknowledged) this.#acknowledgements.settled(alert.id);
    const byId = new Map([...listed, ...acknowledged].map((alert) => [alert.id, alert]));
    const { unknown, doubtful } = this.#book.merge([...byId.values()], begun, complete, this.#selected);
    // What the stream told of an incident by itself is newer than the list of alerts that it is part of.
    for (const incident of this.#incidents.told()) this.#book.retell(incident);
    if (this.#listed) {
      const missed = unknown.flatMap((id) => this.#book.get(id) ?? []).filter((alert) => alert.state === "new");
      this.#announcer.call(missed.sort((a, b) => a.id - b.id));
    }
    this.#paint();
    for (const id of doubtful) {
      try {
        const alert = await api.alert(id);
        if (turn === this.#turn) this.#take(alert);
      } catch (error) {
        if (!(error instanceof api.Refused)) throw error;
        if (turn === this.#turn) this.#book.remove(id); // The collector no longer keeps it.
      }
    }
  }

  async #catchUpReads(turn: number): Promise<void> {
    const [passages, reads] = await Promise.all([api.passages(PASSAGES), api.reads(READS)]);
    if (turn !== this.#turn) return;
    this.#reads.refresh(this.#passages.merge(passages, this.#told.passages));
    this.#reads.take(reads.filter((read) => !this.#told.reads.has(read.id)));
  }

  async #catchUpDevices(turn: number): Promise<void> {
    const devices = await api.devices();
    if (turn === this.#turn) this.#devices.take(devices.filter((device) => !this.#told.devices.has(device.id)));
  }

  async #catchUpShots(turn: number): Promise<void> {
    const shots = await api.shots(SHOTS);
    if (turn === this.#turn) this.#shots.take(shots);
  }

  #rowState(alert: Alert): RowState {
    return {
      cropHere: alert.kind === "hit" && this.#isHere(alert.read.crop, alert.read.crop_here),
      failure: this.#acknowledgements.failure(alert.id),
      sameVehicle: sameVehicleText(this.#book.ofSameVehicle(alert)),
      collector_ms: this.#collector_ms,
    };
  }

  #isHere(sha256: string | null, said: boolean): boolean {
    return said || (sha256 !== null && this.#arrivedPictures.has(sha256));
  }

  #paintSoon(): void {
    this.#paintTimer ??= window.setTimeout(() => this.#paint(), PAINT_AFTER_MS);
  }

  #paint(): void {
    window.clearTimeout(this.#paintTimer);
    this.#paintTimer = undefined;
    if (this.#session === null) return;
    if (this.#unseenReads.length > 0) this.#reads.take(this.#unseenReads.splice(0));
    if (this.#unseenShots.length > 0) this.#shots.take(this.#unseenShots.splice(0));
    this.#settleSelection();
    const alerts = this.#book.ordered(this.#pinned);
    this.#list.show(alerts, this.#selected, (alert) => this.#rowState(alert));
    this.#paintDetail(alerts.length);
    this.#incidents.show(this.#looking);
    setText(this.#count, String(this.#book.unacknowledged) + (this.#book.truncated ? "+" : ""));
    this.#count.dataset["any"] = String(this.#book.unacknowledged > 0);
    setText(this.#note, "There are more unacknowledged alerts than are shown: they appear as these are acknowledged.");
    setShown(this.#note, this.#book.truncated);
    this.#title();
  }

  /** Where nothing is selected, or what was is gone or has become an alert. */
  #settleSelection(): void {
    if (this.#selected !== null && this.#book.get(this.#selected) === undefined) this.#selected = this.#pinned = null;
    if (this.#looking !== null) {
      const raised = this.#book.ofIncident(this.#looking);
      if (raised === undefined && this.#incidents.get(this.#looking) !== undefined) return;
      this.#looking = null;
      if (raised === undefined) return;
      this.#selected = raised.id;
      this.#pinned = raised.state === "new" ? raised.id : null;
    }
    if (this.#selected !== null) return;
    const first = this.#book.ordered(null)[0];
    if (first?.state === "new") this.#selected = this.#pinned = first.id;
  }

  #paintDetail(count: number): void {
    const looking = this.#looking === null ? undefined : this.#incidents.get(this.#looking);
    const alert = this.#selected === null ? undefined : this.#book.get(this.#selected);
    if (looking !== undefined) {
      this.#detail.showIncident(looking, this.#detailState(undefined, looking));
    } else if (alert !== undefined) {
      this.#detail.show(alert, this.#detailState(alert, alert.kind === "shot" ? alert.incident : undefined));
    } else {
      const none = count > 0 ? "Nothing selected. Press j for the first alert." : "No alerts. New ones appear here by themselves.";
      const forbidden = `Your role (${this.#session?.role ?? ""}) does not see alerts: ${this.#forbidden}`;
      this.#detail.showNone(this.#forbidden !== "" ? forbidden : this.#listed ? none : "Asking the collector for alerts…");
    }
  }

  #detailState(alert: Alert | undefined, incident: Incident | undefined): DetailState {
    const passage = alert?.kind === "hit" ? alert.read.passage : null;
    if (passage !== null && this.#passages.get(passage) === undefined) void this.#askForPassage(passage);
    return {
      cropHere: alert?.kind === "hit" && this.#isHere(alert.read.crop, alert.read.crop_here),
      isHere: (sha256, said) => this.#isHere(sha256, said),
      failure: alert === undefined ? null : this.#acknowledgements.failure(alert.id),
      closingFailure: alert === undefined ? "" : (this.#notClosed.get(alert.id) ?? ""),
      passage: passage === null ? undefined : this.#passages.get(passage),
      otherAlerts: alert === undefined ? [] : this.#book.ofSameVehicle(alert),
      sending: alert !== undefined && this.#acknowledgements.sending(alert.id),
      mayAcknowledge: this.#mayAcknowledge,
      role: this.#session?.role ?? "",
      collector_ms: this.#collector_ms,
      judge: this.#judgeState(incident),
    };
  }

  #judgeState(incident: Incident | undefined): JudgeState {
    const given = incident === undefined ? { sending: null, failure: "" } : this.#verdicts.of(incident.id);
    const earlier = incident === undefined ? [] : this.#incidents.verdicts(incident);
    return { ...given, earlier, mayJudge: this.#mayAcknowledge, role: this.#session?.role ?? "", collector_ms: this.#collector_ms };
  }

  #title(): void {
    const count = this.#book.unacknowledged;
    const trouble = this.#connection.state === "live" ? "" : "⚠ ";
    const title = `${trouble}${count > 0 ? `(${count}) ` : ""}Nightjar`;
    if (document.title !== title) document.title = title;
  }
}
