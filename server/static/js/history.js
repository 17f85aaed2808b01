/** Who did what to an item, in words. */

import { element } from "./element.js";
import { fullTime, rowTime, sentence, statusWord, visible } from "./format.js";

/** Oldest first in the item, newest first here. */
export function historyList(item) {
  const steps = [...(item.history ?? [])].reverse().slice(0, 50);
  if (!steps.length) return element("p", { class: "none" }, "Nothing was done yet.");
  return element("ol", { class: "history" }, steps.map((step) => element("li", {},
    element("time", { datetime: step.at, title: fullTime(step.at) }, rowTime(step.at)), " ", element("bdi", {}, stepWords(step)))));
}

// Steps that reading the mail makes; all others are people's.
const READING = ["created", "reading"];

/** The last thing that a person did: {who, words}, or null. */
export function lastChange(item) {
  const step = item?.history?.findLast(({ field }) => !READING.includes(field));
  return step ? { who: step.who, words: stepWords(step) } : null;
}

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
