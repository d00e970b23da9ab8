/** The page's entry: the session, the keys, and which of login and desk is shown. */
import * as api from "./api.ts";
import { Desk } from "./desk.ts";
import { byId, setShown, setText } from "./dom.ts";
import type { Session } from "./records.ts";
import { VERDICTS } from "./shot-wording.ts";
import { Sound } from "./sound.ts";

const ASK_AGAIN_MS = 3_000;

const loginView = byId("login", HTMLElement);
const deskView = byId("desk", HTMLDivElement);
const form = byId("login-form", HTMLFormElement);
const username = byId("username", HTMLInputElement);
const password = byId("password", HTMLInputElement);
const loginButton = byId("login-button", HTMLButtonElement);
const message = byId("login-message", HTMLParagraphElement);
const soundButton = byId("sound", HTMLButtonElement);
const keys = byId("keys", HTMLDialogElement);

const sound = new Sound();
let previousUser: string | null = null;
const desk = new Desk(sound, showLogin);

function showLogin(text: string): void {
  desk.close();
  if (keys.open) keys.close();
  setShown(deskView, false);
  setShown(loginView, true);
  setText(message, text);
  password.value = "";
  username.value ||= previousUser ?? "";
  (username.value === "" ? username : password).focus();
}

function enter(session: Session): void {
  desk.close();
  setShown(loginView, false);
  setShown(deskView, true);
  setText(message, "");
  password.value = "";
  setText(byId("user", HTMLSpanElement), session.user);
  desk.open(session, previousUser);
  previousUser = session.user;
  showLinkedAlert();
}

/** The alert that a link leads to (`#alert=12`), until it is shown. */
let linked: number | null = null;

function takeLinkedAlert(): void {
  const id = Number(new URLSearchParams(location.hash.slice(1)).get("alert"));
  if (!Number.isSafeInteger(id) || id <= 0) return;
  linked = id;
  history.replaceState(null, "", location.pathname + location.search);
}

/** Show what a link has led to, once somebody is logged in. */
function showLinkedAlert(): void {
  if (linked === null || deskView.hidden) return;
  void desk.showAlert(linked);
  linked = null;
}

/** The one-time code of a login link. It leaves the address before it is used: history and screens do not keep it. */
function takeLoginCode(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get("login");
  if (code !== null) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

async function logIn(credentials: api.Credentials): Promise<void> {
  loginButton.disabled = true;
  try {
    enter(await api.login(credentials));
  } catch (error) {
    const link = "code" in credentials ? "This login link cannot be used: " : "Not logged in: ";
    showLogin(`${link}${(error as Error).message}`);
  } finally {
    loginButton.disabled = false;
  }
}

async function begin(): Promise<void> {
  takeLinkedAlert();
  const code = takeLoginCode();
  if (code !== null) return logIn({ code });
  try {
    enter(await api.me());
  } catch (error) {
    if (error instanceof api.SessionEnded) return showLogin("");
    showLogin(`${(error as Error).message}; asking again`);
    window.setTimeout(() => {
      if (!loginView.hidden && username.value === "") void begin();
    }, ASK_AGAIN_MS);
  }
}

async function logOut(): Promise<void> {
  try {
    await api.logout();
    showLogin("Logged out.");
  } catch (error) {
    if (error instanceof api.SessionEnded) showLogin("Logged out.");
    else showLogin(`${(error as Error).message}: the session may still be open in this browser.`);
  }
}

function showSound(): void {
  const state = !sound.wanted ? "Sound off" : sound.ready ? "Sound on" : "Sound waits";
  setText(byId("sound-state", HTMLSpanElement), state);
  soundButton.setAttribute("aria-pressed", String(sound.wanted));
  soundButton.title = sound.wanted && !sound.ready ? "The browser allows sound after the first click or key" : "";
}

async function wakeSound(): Promise<void> {
  await sound.wake();
  showSound();
}

function toggleSound(): void {
  sound.toggle();
  showSound();
}

const actions: Readonly<Record<string, () => void>> = {
  a: () => desk.acknowledgeSelected(),
  j: () => desk.move(1),
  ArrowDown: () => desk.move(1),
  k: () => desk.move(-1),
  ArrowUp: () => desk.move(-1),
  n: () => desk.moveToNewest(),
  h: () => desk.moveInHeard(),
  ArrowRight: () => desk.detail.stepCharacter(1),
  ArrowLeft: () => desk.detail.stepCharacter(-1),
  l: () => desk.detail.playNextClip(),
  s: () => desk.detail.stopClip(),
  z: () => desk.detail.zoom(),
  c: () => desk.detail.copyCoordinates(),
  ...Object.fromEntries(VERDICTS.map(([word], index) => [String(index + 1), () => desk.detail.chooseVerdict(word)])),
  m: toggleSound,
  "?": () => keys.showModal(),
};
/** Only these may repeat while a key is held: a held `a` must not acknowledge twice. */
const REPEATABLE = new Set(["j", "k", "h", "ArrowDown", "ArrowUp", "ArrowRight", "ArrowLeft"]);

document.addEventListener("keydown", (press) => {
  if (!sound.ready && sound.wanted) void wakeSound();
  if (deskView.hidden || document.querySelector("dialog[open]") !== null || press.ctrlKey || press.metaKey || press.altKey) return;
  if (press.target instanceof HTMLInputElement) return; // What is typed is no command.
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  const action = actions[key];
  if (action === undefined) return;
  press.preventDefault();
  if (!press.repeat || REPEATABLE.has(key)) action();
});
document.addEventListener("pointerdown", () => {
  if (!sound.ready && sound.wanted) void wakeSound();
});
document.addEventListener("visibilitychange", () => desk.tick());
window.addEventListener("hashchange", () => {
  const code = takeLoginCode();
  if (code !== null && deskView.hidden) void logIn({ code });
  takeLinkedAlert();
  showLinkedAlert();
});
form.addEventListener("submit", (submission) => {
  submission.preventDefault();
  void logIn({ username: username.value, password: password.value });
});
soundButton.addEventListener("click", toggleSound);
byId("show-keys", HTMLButtonElement).addEventListener("click", () => keys.showModal());
byId("logout", HTMLButtonElement).addEventListener("click", () => void logOut());

showSound();
void begin();
