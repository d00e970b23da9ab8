/** The devices beside the alerts: those that cannot be relied on first, each with what is wrong with it. */
import { DeviceView } from "./device-view.ts";
import { arrange, element, setText } from "./dom.ts";
import type { Device } from "./records.ts";
import { deviceTrouble, skippedTexts } from "./wording.ts";

class Line {
  readonly root: HTMLElement;
  readonly #id = element("button", "device-id", { type: "button", title: "How it is, and what changed on it" });
  readonly #link = element("span", "device-link");
  readonly #words = element("span", "device-words");

  constructor(id: string, onOpen: () => void) {
    this.#id.addEventListener("click", onOpen);
    this.root = element("li", "device", { "data-device-id": id }, this.#id, this.#link, this.#words);
  }

  show(device: Device): void {
    const trouble = deviceTrouble(device);
    this.root.dataset["troubled"] = String(trouble.length > 0 || device.link !== "online");
    setText(this.#id, device.id);
    setText(this.#link, device.status === "revoked" ? "revoked" : device.link);
    const site = device.site === device.id ? "" : `site ${device.site}`;
    setText(this.#words, [site, ...trouble, ...skippedTexts(device)].filter(Boolean).join(" · "));
  }
}

export class DeviceList {
  readonly #list: HTMLElement;
  readonly #devices = new Map<string, Device>();
  readonly #lines = new Map<string, Line>();
  readonly #view = new DeviceView();

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  clear(): void {
    this.#devices.clear();
    this.#lines.clear();
    this.#list.replaceChildren();
    this.#view.close();
  }

  /** Take devices as the collector says they are now. */
  take(devices: readonly Device[]): void {
    for (const device of devices) {
      this.#devices.set(device.id, device);
      const line = this.#lines.get(device.id) ?? new Line(device.id, () => this.#open(device.id));
      this.#lines.set(device.id, line);
      line.show(device);
      this.#view.take(device);
    }
    const rank = (device: Device): number => {
      if (device.status === "revoked") return 3;
      return deviceTrouble(device).length > 0 ? 0 : device.link === "online" ? 2 : 1;
    };
    const ordered = [...this.#devices.values()].sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
    arrange(
      this.#list,
      ordered.flatMap((device) => this.#lines.get(device.id)?.root ?? []),
    );
  }

  #open(id: string): void {
    const device = this.#devices.get(id);
    if (device !== undefined) this.#view.open(device);
  }
}
