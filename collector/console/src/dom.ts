/** Building the page. Text enters it only as text: nothing here or elsewhere parses HTML. */

type Attributes = Readonly<Record<string, string>>;

/** A new element with a class, attributes and children (strings become text nodes). */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The element of index.html with this id and type; the page cannot work without it. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html: #${id}: got ${found?.tagName ?? "nothing"}, expected ${type.name}`);
  return found;
}

/** Set a text only where it differs, so that nothing is painted or announced for no change. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Show or hide without removing. */
export function setShown(target: Element, shown: boolean): void {
  target.toggleAttribute("hidden", !shown);
}

/** Bring the children of `parent` into this order, moving as few as it can and keeping the keyboard focus. */
export function arrange(parent: Element, wanted: readonly Element[]): void {
  const keep = new Set<Element>(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  const focused = document.activeElement;
  let cursor = parent.firstElementChild;
  for (const child of wanted) {
    if (child === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(child, cursor);
  }
  if (focused instanceof HTMLElement && focused !== document.activeElement && parent.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}
