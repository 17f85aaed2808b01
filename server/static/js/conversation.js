/** The other letters of the same submission, and the same letter in other mailboxes. */

import * as api from "./api.js";
import { element } from "./element.js";
import { rowTime, sender, statusWord } from "./format.js";

/** Fills itself when the server has answered; stays empty for a letter that stands alone. */
export function conversation(item, open) {
  const place = element("div", { class: "conversation" });
  const copies = (item.also_in ?? []).map((id) => letter(id, "The same letter in another mailbox", open));
  if (copies.length) place.append(element("ul", {}, copies));
  api.list({ submission: item.submission_id, limit: 50 }).then((page) => {
    const others = page.items.filter((other) => other.id !== item.id);
    if (!others.length) return;
    const letters = others.map((other) =>
      letter(other.id, `${rowTime(other.created_at)} ${sender(other)}, ${statusWord(other.status).toLowerCase()}`, open));
    place.prepend(element("h3", {}, "Conversation"), element("ul", {}, letters));
  }, () => {});
  return place;
}

function letter(id, words, open) {
  return element("li", {}, element("button", { class: "quiet", onclick: () => open(id) }, element("bdi", {}, words)));
}
