/** Where in a mail a value was found. Offsets count UTF-16 code units, as strings in JavaScript do. Pure. */

/** @typedef {{ start: number, end: number }} Span */

// Lines and characters that a block has at most.
const MAX_LINES = 20;
const MAX_LENGTH = 2_000;

/**
 * Split a text into blocks that a browser renders quickly (one line of 20,000 emoji took 5.7 s as one node): at line
 * ends, else anywhere but inside a surrogate pair.
 * @param {string} text
 * @returns {{ start: number, text: string }[]} blocks that join to the text
 */
export function blocks(text) {
  const found = [];
  for (let start = 0; start < text.length; ) {
    const end = blockEnd(text, start);
    found.push({ start, text: text.slice(start, end) });
    start = end;
  }
  return found;
}

/**
 * @param {string} text
 * @param {number} start
 */
function blockEnd(text, start) {
  const limit = Math.min(start + MAX_LENGTH, text.length);
  let end = -1;
  for (let line = 0, at = start; line < MAX_LINES; line += 1) {
    const feed = text.indexOf("\n", at);
    if (feed < 0 || feed >= limit) {
      if (limit === text.length) return limit;
      break;
    }
    end = at = feed + 1;
  }
  if (end > start) return end;
  const splits = limit < text.length && /[\uDC00-\uDFFF]/.test(text[limit]) && /[\uD800-\uDBFF]/.test(text[limit - 1]);
  return splits ? limit - 1 : limit;
}

/**
 * Find evidence in the text: at its own offsets when the raw value is there, else where the value is found first.
 * @param {string} text
 * @param {{ raw: string } & Span} evidence
 * @returns {Span | null}
 */
export function locate(text, { raw, start, end }) {
  if (!raw) return null;
  if (text.slice(start, end) === raw) return { start, end };
  const at = text.indexOf(raw);
  return at < 0 ? null : { start: at, end: at + raw.length };
}

/**
 * Return some words around a span, so that one can hear or read it without the highlight.
 * @param {string} text
 * @param {Span} span
 */
export function quote(text, { start, end }, around = 24) {
  const before = text.slice(Math.max(0, start - around), start).split("\n").at(-1);
  const after = text.slice(end, end + around).split("\n")[0];
  return { before, raw: text.slice(start, end), after };
}
