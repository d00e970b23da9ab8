/** Building drawings. As with {@link element}, text enters them only as text. */

type Attributes = Readonly<Record<string, string | number>>;

/** A new SVG element with a class, attributes and children (strings become text nodes). */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  className = "",
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if (className !== "") made.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, typeof value === "number" ? String(Math.round(value * 100) / 100) : value);
  }
  made.append(...children);
  return made;
}
