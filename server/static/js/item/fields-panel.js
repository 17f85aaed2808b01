/** The fields that were read from a mail, each with its evidence; hovering over a field or choosing it shows it in the mail. */

import { element } from "../lib/element.js";
import { locate, quote } from "./evidence.js";
import { isTable, sentence, valueText, visible } from "../lib/format.js";

/**
 * @typedef {import("../lib/types.js").WholeItem} WholeItem
 * @typedef {import("../lib/types.js").Evidence} Evidence
 * @typedef {(evidence: Evidence | null, scroll: boolean) => void} Show shows evidence in the mail
 */

/**
 * @param {WholeItem} item
 * @param {Show} show
 */
export function fieldsPanel(item, show) {
  /** @type {Evidence | null} */
  let chosen = null;
  // A chosen value stays shown: scrolling to it moves the field away from the pointer.
  /** @type {Show} */
  const showOrKeep = (evidence, choose) => {
    if (choose) chosen = evidence;
    show(evidence ?? chosen, choose);
  };
  const fields = Object.entries(item.extracted_fields ?? {});
  if (!fields.length) return element("p", { class: "none" }, "No fields were found in this mail.");
  return element("dl", { class: "fields" }, fields.map(([name, value]) => fieldRow(item, name, value, showOrKeep)));
}

/**
 * @param {WholeItem} item
 * @param {string} name
 * @param {unknown} value
 * @param {Show} show
 */
function fieldRow(item, name, value, show) {
  const corrected = name in (item.corrections ?? {});
  const evidence = corrected ? null : item.evidence?.[name];
  const shown = isTable(value) ? table(value) : element("bdi", {}, valueText(value));
  const origin = evidence ? originWords(item, evidence) : corrected && element("span", { class: "quote" }, "corrected by hand");
  const content = [element("span", { class: "value" }, shown), origin];
  const label = element("dt", {}, sentence(visible(name)));
  if (!evidence) return element("div", { class: "field" }, label, element("dd", {}, content));
  const choose = element("button", {
    class: "found", title: "Show it in the mail", onclick: () => show(evidence, true),
    onpointerenter: () => show(evidence, false), onpointerleave: () => show(null, false),
    onfocus: () => show(evidence, false), onblur: () => show(null, false),
  }, content);
  return element("div", { class: "field", "data-field": name }, label, element("dd", {}, choose));
}

/**
 * Say where the value was found, also for people who cannot see a highlight.
 * @param {WholeItem} item
 * @param {Evidence} evidence
 */
function originWords(item, { raw, source, start, end, confidence }) {
  const doubt = typeof confidence === "number" && confidence < 0.6 ? "uncertain · " : "";
  if (source === "text") {
    const text = item.text ?? "";
    const span = locate(text, { raw, start, end });
    const words = span ? quote(text, span) : { before: "", raw, after: "" };
    return element("span", { class: "quote" }, doubt, element("bdi", {}, "“", visible(words.before),
      element("b", {}, visible(words.raw)), visible(words.after), "”"));
  }
  return element("span", { class: "quote" }, `${doubt}in ${sourceWord(item, source)}: `, element("bdi", {}, `“${visible(raw)}”`));
}

/**
 * @param {WholeItem} item
 * @param {string} source
 */
function sourceWord(item, source) {
  const n = /^attachment:(\d+)$/.exec(source)?.[1];
  if (!n) return `the ${visible(source)}`;
  const file = item.attachments?.find((each) => String(each.n) === n);
  return file ? `“${visible(file.name)}”` : "an attachment";
}

// Rows and columns of a table that are shown; the mail itself has them all.
const [ROWS, COLUMNS] = [100, 20];

/** @param {Record<string, unknown>[]} rows */
function table(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].slice(0, COLUMNS);
  return element("table", {},
    element("thead", {}, element("tr", {}, names.map((name) => element("th", { scope: "col" }, visible(name))))),
    element("tbody", {}, rows.slice(0, ROWS).map((row) =>
      element("tr", {}, names.map((name) => element("td", {}, valueText(row[name])))))));
}
