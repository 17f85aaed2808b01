/** The values that were cut out of a mail, each with where it was found; hovering or choosing one shows it there. */

import { element } from "./element.js";
import { locate, quote } from "./evidence.js";
import { isTable, sentence, valueText, visible } from "./format.js";

/** @param show called with (evidence | null, scroll) */
export function fieldsPanel(item, show) {
  let chosen = null;
  // What was chosen stays shown: scrolling to it takes the field away from under the pointer.
  const told = (evidence, choose) => {
    if (choose) chosen = evidence;
    show(evidence ?? chosen, choose);
  };
  const fields = Object.entries(item.extracted_fields ?? {});
  if (!fields.length) return element("p", { class: "none" }, "No fields were found in this mail.");
  return element("dl", { class: "fields" }, fields.map(([name, value]) => field(item, name, value, told)));
}

function field(item, name, value, show) {
  const corrected = name in (item.corrections ?? {});
  const evidence = corrected ? null : item.evidence?.[name];
  const shown = isTable(value) ? table(value) : element("bdi", {}, valueText(value));
  const told = evidence ? whence(item, evidence) : corrected && element("span", { class: "quote" }, "corrected by hand");
  const content = [element("span", { class: "value" }, shown), told];
  const label = element("dt", {}, sentence(visible(name)));
  if (!evidence) return element("div", { class: "field" }, label, element("dd", {}, content));
  const choose = element("button", {
    class: "found", title: "Show it in the mail", onclick: () => show(evidence, true),
    onpointerenter: () => show(evidence, false), onpointerleave: () => show(null, false),
    onfocus: () => show(evidence, false), onblur: () => show(null, false),
  }, content);
  return element("div", { class: "field", "data-field": name }, label, element("dd", {}, choose));
}

/** Where the value was found, also for whoever cannot see a highlight. */
function whence(item, { raw, source, start, end, confidence }) {
  const doubt = typeof confidence === "number" && confidence < 0.6 ? "uncertain · " : "";
  if (source === "text") {
    const place = locate(item.text ?? "", { raw, start, end });
    const words = place ? quote(item.text, place) : { before: "", raw, after: "" };
    return element("span", { class: "quote" }, doubt, element("bdi", {}, "“", visible(words.before),
      element("b", {}, visible(words.raw)), visible(words.after), "”"));
  }
  return element("span", { class: "quote" }, `${doubt}in ${sourceWord(item, source)}: `, element("bdi", {}, `“${visible(raw)}”`));
}

function sourceWord(item, source) {
  const n = /^attachment:(\d+)$/.exec(source)?.[1];
  if (!n) return `the ${visible(source)}`;
  const file = item.attachments?.find((each) => String(each.n) === n);
  return file ? `“${visible(file.name)}”` : "an attachment";
}

// Rows and columns of a table that are shown; the mail itself has them all.
const [ROWS, COLUMNS] = [100, 20];

function table(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].slice(0, COLUMNS);
  return element("table", {},
    element("thead", {}, element("tr", {}, names.map((name) => element("th", { scope: "col" }, visible(name))))),
    element("tbody", {}, rows.slice(0, ROWS).map((row) =>
      element("tr", {}, names.map((name) => element("td", {}, valueText(row[name])))))));
}
