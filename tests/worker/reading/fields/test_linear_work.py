"""Twice the text costs at most three times the work, whatever the text is."""

from datetime import date

import pytest

from tests.support.cpu_time import cpu_seconds
from worker.reading import GENERAL_RULES, FieldRule
from worker.reading.fields.extract import extract_fields
from worker.reading.fields.findings import FieldSource

RULES = (
    *GENERAL_RULES,
    FieldRule("rows", ("Item", "Name"), type="table"),
    FieldRule("count", ("Amount", "Order"), type="number"),
    FieldRule("moment", ("Date",), type="datetime"),
    FieldRule("case", ("Case",), pattern=r"C-\d+", type="reference"),
)
LINES = {
    "labels": "Policy ",
    "labels with a colon": "Policy: ",
    "labels on lines": "Policy:\n",
    "questions": "Policy?\n",
    "leaders": "Contact " + "." * 119 + " ",
    "dashes": "Policy " + "-" * 80 + "\n",
    "brackets": "Policy (" + "a" * 78 + ") ",
    "ranges": "Amount: " + "EUR 1 - " * 60 + "\n",
    "joined numbers": "Amount: " + "1-" * 200 + "\n",
    "dates": "Date: " + "03/04/2026 " * 40 + "\n",
    "dates without a year": "Date: " + "3 Dec " * 80 + "\n",
    "times": "Date: 5 May 2026 " + "1:" * 200 + "\n",
    "quotes": "Name: " + '"a' * 240 + "\n",
    "blanks": "Name: " + " " * 190 + "x\n",
    "phones": "Phone: " + "+44 20 7946 0018 " * 25 + "\n",
    "addresses": "Order http://" + "a/order=" * 40 + "\n",
    "code": "Policy a=b {" * 20 + "\n",
    "fences": "```\nPolicy: 1\n",
    "cells": "Name\t",
    "rows that continue": "Item\tQty\n\tmore\n",
    "lines below a head": "Item\tQty\n---\n---\n",
    "cases": "C-1 ",
}
#: Characters of the shorter text.
LENGTH = 24_000


def work(text: str) -> None:
    extract_fields([FieldSource("text", text, [(0, len(text))], 1.0, is_new=True)], RULES, date(2026, 1, 1))


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_twice_the_text_costs_at_most_three_times_the_work(line: str) -> None:
    text = line * (LENGTH // len(line))
    once, twice = cpu_seconds(lambda: work(text), runs=3), cpu_seconds(lambda: work(text + text), runs=3)
    assert twice <= 3 * once + 0.01
