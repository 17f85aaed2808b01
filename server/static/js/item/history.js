/** What people did to an item and when, in words. */

import { element } from "../lib/element.js";
import { fullTime, rowTime, sentence, statusWord, visible } from "../lib/format.js";

/**
 * @typedef {import("../lib/types.js").HistoryStep} HistoryStep
 * @typedef {Pick<import("../lib/types.js").WholeItem, "history">} WithHistory
 */

// Steps that are shown.
const SHOWN = 50;
// Steps that reading the mail makes; all others are people's.
const READING = ["created", "reading"];

/** Make the list: newest first, while an item's history has the oldest first. @param {WithHistory} item */
export function historyList(item) {
  const steps = [...(item.history ?? [])].reverse().slice(0, SHOWN);
  if (!steps.length) return element("p", { class: "none" }, "Nothing was done yet.");
  return element("ol", { class: "history" }, steps.map((step) => element("li", {},
    element("time", { datetime: step.at, title: fullTime(step.at) }, rowTime(step.at)), " ", element("bdi", {}, stepWords(step)))));
}

/** Return the last thing that a person did, or null. @param {WithHistory} item */
export function lastChange(item) {
  const step = item.history?.findLast(({ field }) => !READING.includes(field));
  return step ? { who: step.who, words: stepWords(step) } : null;
}

/** @param {Omit<HistoryStep, "at">} step */
export function stepWords({ who, field, before, after }) {
  const name = visible(who || "somebody");
  if (field === "status") return `${name} set it to ${statusWord(after)}`;
  if (field === "assignee" && !after) return before === who ? `${name} released it` : `${name} took it from ${visible(before)}`;
  if (field === "assignee") return after === who ? `${name} took it` : `${name} assigned it to ${visible(after)}`;
  if (field?.startsWith("fields.")) return `${name} corrected ${sentence(field.slice(7)).toLowerCase()}`;
  if (field === "created") return `Arrived as ${visible(after)}`;
  if (field === "reading") return "The mail was read again";
  return `${name} changed ${sentence(visible(field)).toLowerCase()}`;
}
