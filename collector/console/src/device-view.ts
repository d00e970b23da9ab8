/** One device looked at closely: what it reports, its last word, and what changed on it. */
import * as api from "./api.ts";
import {
  changeText,
  changeTime,
  clockText,
  dataPlanText,
  lossesText,
  machineText,
  outboxText,
  powerText,
  sourceLine,
  uplinkText,
} from "./device-wording.ts";
import { byId, element, setShown, setText } from "./dom.ts";
import { Fact } from "./fact.ts";
import type { Device, DeviceChange } from "./records.ts";
import { localStamp } from "./times.ts";

const CHANGES = 20;

export class DeviceView {
  readonly #dialog = byId("device-view", HTMLDialogElement);
  readonly #title = byId("device-view-title", HTMLElement);
  readonly #changes = byId("device-changes", HTMLOListElement);
  readonly #problem = byId("device-changes-problem", HTMLParagraphElement);
  readonly #facts = {
    link: new Fact("Link", "link"),
    lastWord: new Fact("Last word", "last-word"),
    power: new Fact("Power", "power"),
    uplink: new Fact("Uplink", "uplink"),
    outbox: new Fact("Waiting", "outbox"),
    losses: new Fact("Losses", "losses"),
    plan: new Fact("Data plan", "data-plan"),
    sources: new Fact("Sources", "sources"),
    clock: new Fact("Clock", "clock"),
    machine: new Fact("Machine", "machine"),
    software: new Fact("Software", "software"),
  };
  #shown: Device | null = null;

  constructor() {
    byId("device-facts", HTMLElement).append(...Object.values(this.#facts).map((fact) => fact.root));
    this.#dialog.addEventListener("close", () => (this.#shown = null));
  }

  open(device: Device): void {
    this.#changes.replaceChildren();
    this.#show(device);
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  close(): void {
    if (this.#dialog.open) this.#dialog.close();
  }

  /** Take a device as it is now; it is shown if it is the one that is looked at. */
  take(device: Device): void {
    if (this.#shown?.id === device.id) this.#show(device);
  }

  #show(device: Device): void {
    this.#shown = device;
    const { report } = device;
    setText(this.#title, device.site === device.id ? device.id : `${device.id}, site ${device.site}`);
    const heard = device.last_heard_at === null ? "" : `heard last ${localStamp(device.last_heard_at)}`;
    this.#facts.link.show(device.status === "revoked" ? "revoked: nothing of it is taken" : device.link, heard);
    this.#facts.lastWord.showIfAny(device.last_word ?? "");
    this.#facts.power.showIfAny(report === null ? "" : powerText(report.power));
    this.#facts.uplink.showIfAny(report === null ? "" : uplinkText(report));
    this.#facts.outbox.showIfAny(report === null ? "" : outboxText(report));
    this.#facts.losses.showIfAny(report === null ? "" : lossesText(report));
    this.#facts.plan.showIfAny(report === null ? "" : dataPlanText(report));
    this.#facts.sources.showIfAny(...device.sources.map(sourceLine));
    this.#facts.clock.showIfAny(report === null ? "" : clockText(report));
    this.#facts.machine.showIfAny(report === null ? "" : machineText(report));
    const models = report?.models.map(([use, name]) => `${use}: ${name}`) ?? [];
    const versions = Object.entries(report?.versions ?? {}).map(([name, version]) => `${name} ${version}`);
    this.#facts.software.showIfAny(report?.version ? `nightjar ${report.version}` : "", models.join(", "), versions.join(", "));
    void this.#askForChanges(device.id);
  }

  async #askForChanges(id: string): Promise<void> {
    let changes: DeviceChange[] = [];
    let problem = "";
    try {
      changes = await api.deviceChanges(id, CHANGES);
      if (changes.length === 0) problem = "None were told.";
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      problem = `They cannot be shown: ${error.message}`;
    }
    if (this.#shown?.id !== id) return;
    setText(this.#problem, problem);
    setShown(this.#problem, problem !== "");
    this.#changes.replaceChildren(
      ...changes.map((change) =>
        element("li", "device-change", {}, element("span", "device-change-time", {}, changeTime(change)), element("span", "", {}, changeText(change))),
      ),
    );
  }
}
