/** Elements made without markup: what a container named becomes text and nothing else. */

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** `undefined` and `false` leave an attribute out. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

export function shape<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[Tag] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

function setAttributes(made: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : String(value));
  }
}

/** The page's own element of that id. */
export function byId<E extends Element = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as Element as E;
}

/** Calls `draw` with the element's width, now and whenever it changes. */
export function onWidth(at: Element, draw: (width: number) => void): void {
  let before = -1;
  new ResizeObserver(() => {
    const width = Math.floor(at.clientWidth);
    if (width === before || width === 0) return;
    before = width;
    draw(width);
  }).observe(at);
}
