"""Which addresses count as one network: a line, however its address is written."""

import pytest

from server.access.client_address import network_of

#: Pairs of addresses of one network.
ONE = [
    ("2001:db8::1", "2001:db8::ffff:1"),
    ("2001:db8:0:0:1::", "2001:DB8::ffff:ffff:ffff:ffff"),
    ("192.0.2.1", "::ffff:192.0.2.1"),
    ("192.0.2.1", "::ffff:c000:201"),
    ("8.8.8.8", "64:ff9b::8.8.8.8"),
    ("::ffff:8.8.8.8", "64:ff9b::808:808"),
    ("fe80::1%eth0", "fe80::2%eth1"),
]

#: Pairs of addresses of two networks.
TWO = [
    ("2001:db8::1", "2001:db8:0:1::1"),
    ("192.0.2.1", "192.0.2.2"),
    ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
    ("64:ff9b::8.8.8.8", "64:ff9b::8.8.4.4"),
    ("64:ff9b::10.0.0.1", "64:ff9b::10.0.0.2"),
    ("64:ff9b::10.0.0.1", "10.0.0.1"),  # nobody is in our own network because of a prefix
    ("64:ff9b:1::10.0.0.1", "64:ff9b:1::10.0.0.2"),
    ("::1", "127.0.0.1"),
]


@pytest.mark.parametrize(("one", "other"), ONE)
def test_addresses_of_one_line_are_one_network(one: str, other: str) -> None:
    assert network_of(one) == network_of(other)


@pytest.mark.parametrize(("one", "other"), TWO)
def test_addresses_of_two_lines_are_two_networks(one: str, other: str) -> None:
    assert network_of(one) != network_of(other)


def test_what_is_no_address_is_a_network_of_its_own() -> None:
    assert network_of("a name") == "a name"
