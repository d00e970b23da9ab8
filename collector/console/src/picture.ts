/**
 * One picture of a read: shown when it is there, and saying so while it is on its way. While the picture of a later
 * revision is on its way, the one before it stays, and is called so.
 */
import { pictureAddress } from "./api.ts";
import { element, setShown, setText } from "./dom.ts";

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;
const TRIES = 8;

export class Picture {
  readonly root: HTMLElement;
  readonly #image = element("img", "picture-image", { decoding: "async", draggable: "false" });
  readonly #note = element("span", "picture-note");
  readonly #name: string;
  #sha256: string | null = null;
  #read: number | null = null;
  #here = false;
  #tries = 0;
  #timer: number | undefined;

  /** @param name what the picture is called in its notes, such as "Crop". */
  constructor(className: string, name: string) {
    this.root = element("span", `picture ${className}`, {}, this.#image, this.#note);
    this.#name = name;
    this.#image.addEventListener("load", () => this.#state("shown", ""));
    this.#image.addEventListener("error", () => this.#failed());
    this.#state("none", "");
  }

  /** Show the picture with this digest of a read; `here` says whether the collector has it. */
  show(read: number, sha256: string | null, here: boolean, description: string): void {
    this.#image.alt = description;
    if (read === this.#read && sha256 === this.#sha256 && here === this.#here) return;
    const shown = this.root.dataset["state"] === "shown" || this.root.dataset["state"] === "earlier";
    const earlier = read === this.#read && shown && sha256 !== null && !here;
    const other = read !== this.#read || sha256 !== this.#sha256;
    this.#read = read;
    this.#sha256 = sha256;
    this.#here = here;
    this.#tries = 0;
    window.clearTimeout(this.#timer);
    if (other && !earlier) this.#image.removeAttribute("src");
    if (sha256 === null) this.#state("none", `${this.#name}: none with this read`);
    else if (here) this.#load(sha256);
    else if (earlier) this.#state("earlier", `Earlier ${this.#name.toLowerCase()}; the latest is on its way`);
    else this.#state("waiting", `${this.#name} on its way`);
  }

  /** Stop trying: the picture is no longer on the page. */
  dispose(): void {
    window.clearTimeout(this.#timer);
    this.#image.removeAttribute("src");
    this.#sha256 = this.#read = null;
    this.#state("none", "");
  }

  #load(sha256: string): void {
    this.#state("waiting", `${this.#name} on its way`);
    // The browser remembers that an address failed; another query makes it ask again.
    this.#image.src = pictureAddress(sha256) + (this.#tries > 0 ? `?try=${this.#tries}` : "");
  }

  #failed(): void {
    const sha256 = this.#sha256;
    if (sha256 === null) return;
    if (++this.#tries >= TRIES) {
      this.#state("failed", `${this.#name} cannot be loaded`);
      return;
    }
    this.#state("waiting", `${this.#name} on its way`);
    const delay_ms = Math.min(FIRST_RETRY_MS * 2 ** (this.#tries - 1), LONGEST_RETRY_MS);
    this.#timer = window.setTimeout(() => this.#load(sha256), delay_ms);
  }

  #state(state: "none" | "waiting" | "shown" | "earlier" | "failed", note: string): void {
    this.root.dataset["state"] = state;
    setShown(this.#image, state === "shown" || state === "earlier");
    setText(this.#note, note);
  }
}
