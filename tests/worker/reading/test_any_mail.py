"""Mails of any parts, HTML of any elements and damaged files of each kind keep what is held for every input.

The readers and the checks are those of the fuzzer (`tests/fuzz`), which finds its inputs by itself.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS
from tests.worker.reading.strategies import changed, mails, pages


@settings(max_examples=150)
@given(mails)
def test_mails_of_any_parts_are_read(raw: bytes) -> None:
    TARGETS["message"].check(raw)


@settings(max_examples=200)
@given(pages)
def test_any_html_gives_text_and_a_safe_page(page: str) -> None:
    TARGETS["html"].check(page.encode())


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=15)
@given(data=st.data())
def test_changed_inputs_of_each_kind_are_read(name: str, data: st.DataObject) -> None:
    TARGETS[name].check(data.draw(changed(TARGETS[name].seeds)))
