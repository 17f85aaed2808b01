"""Finds our cookies among those of others."""

import pytest
from tornado.httputil import parse_cookie

from server.access.cookies import find_cookie


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("mine=1", "1"),
        ("other=2; mine=1; third=3", "1"),
        ("other=2;mine=1;third=3", "1"),
        ("mine=a=b==", "a=b=="),
        ('other=2; mine="2|1:0|a=="; third=3', "2|1:0|a=="),
        ("mine=1; mine=2", "2"),
        ("mine=1 ", "1"),
        ("mine=", None),
        ('mine=""', None),
        ("", None),
        ("mine", None),
        ("other=mine=1", None),
        ("notmine=1", None),
        ("mine_8888=1", None),
    ],
)
def test_a_cookie_is_found_by_its_whole_name(header: str, value: str | None) -> None:
    assert find_cookie(header, "mine") == value
    assert (parse_cookie(header).get("mine") or None) == value, "as Tornado, which parses all"
