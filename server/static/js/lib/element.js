/** Makes DOM elements from text and attributes; mail only ever becomes text nodes. */

/**
 * @typedef {Node | string | number | null | undefined | boolean} Child null, undefined and false are left out
 * @typedef {Child | readonly Child[] | readonly (Child | readonly Child[])[]} Children
 * @typedef {string | number | boolean | null | undefined | ((event: any) => unknown)} Attribute
 */

/**
 * Make an element: `element("button", { class: "quiet", onclick: go }, "Go")`. Attributes that are null, undefined or
 * false are left out, true is an empty one, functions are listeners.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute>} attributes
 * @param {...Children} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, String(value));
  }
  const found = /** @type {Child[]} */ (children.flat(Infinity));
  made.append(...found.filter((child) => child !== null && child !== undefined && child !== false).map((child) =>
    child instanceof Node ? child : String(child)));
  return made;
}

/**
 * Write a text only where it differs: writing, even the same, destroys what a person has selected.
 * @param {Node} target
 * @param {string} text
 */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Set or remove an attribute, only where it differs.
 * @param {Element} target
 * @param {string} name
 * @param {string | number | boolean | null | undefined} value
 */
export function mark(target, name, value) {
  const wanted = value === true ? "" : value;
  if (wanted === null || wanted === undefined || wanted === false) target.removeAttribute(name);
  else if (target.getAttribute(name) !== String(wanted)) target.setAttribute(name, String(wanted));
}

/**
 * Return the first element that a selector finds. The page has what its modules look for; what may be absent is
 * looked for with `?.`.
 * @param {string} selector
 * @param {ParentNode} within
 * @returns {any}
 */
export const find = (selector, within = document) => within.querySelector(selector);
