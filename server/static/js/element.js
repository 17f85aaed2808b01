/** Makes DOM elements from text and attributes; mail only ever becomes text nodes. */

/**
 * `element("button", { class: "quiet", onclick: go }, "Go")`. Attributes that are null, undefined or false are left out,
 * true is an empty one, functions are listeners.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Writes text only where it differs: writing, even the same, destroys what a person has selected. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Sets or takes away an attribute, only where it differs. */
export function mark(target, name, value) {
  const wanted = value === true ? "" : value;
  if (wanted === null || wanted === undefined || wanted === false) target.removeAttribute(name);
  else if (target.getAttribute(name) !== String(wanted)) target.setAttribute(name, wanted);
}

export const find = (selector, within = document) => within.querySelector(selector);
