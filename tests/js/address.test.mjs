import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../server/static/js/page/address.js";

const USUAL = { tab: "queue", view: "open", mailbox: "", item: "" };

test("an address names tab, view, mailbox and item", () => {
  assert.deepEqual(parseAddress("?tab=sse&view=done&mailbox=claims&item=wi_1&more=1"),
    { tab: "sse", view: "done", mailbox: "claims", item: "wi_1" });
  assert.deepEqual(parseAddress(""), USUAL);
});

test("a tab or a view that does not exist is the usual one", () => {
  assert.deepEqual(parseAddress("?view=nonsense&tab=nowhere"), USUAL);
  assert.deepEqual(parseAddress("?view=&tab="), USUAL);
});
