/** The other mails of the same submission, and the same mail in other mailboxes. */

import * as api from "../lib/api.js";
import { element } from "../lib/element.js";
import { rowTime, sender, statusWord } from "../lib/format.js";

/**
 * Return an element that fills itself when the server has answered. It stays empty for a mail without others.
 * @param {import("../lib/types.js").WholeItem} item
 * @param {(id: string) => void} open
 */
export function conversation(item, open) {
  const place = element("div", { class: "conversation" });
  const copies = (item.also_in ?? []).map((id) => mailButton(id, "The same mail in another mailbox", open));
  if (copies.length) place.append(element("ul", {}, copies));
  api.list({ submission: item.submission_id, limit: 50 }).then((page) => {
    const others = page.items.filter((other) => other.id !== item.id);
    if (!others.length) return;
    const mails = others.map((other) =>
      mailButton(other.id, `${rowTime(other.created_at)} ${sender(other)}, ${statusWord(other.status).toLowerCase()}`, open));
    place.prepend(element("h3", {}, "Conversation"), element("ul", {}, mails));
  }, () => {}); // without an answer the item is shown without its conversation
  return place;
}

/**
 * @param {string} id
 * @param {string} words
 * @param {(id: string) => void} open
 */
function mailButton(id, words, open) {
  return element("li", {}, element("button", { class: "quiet", onclick: () => open(id) }, element("bdi", {}, words)));
}
