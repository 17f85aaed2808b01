"""Who takes part in a mail: people and firms, never the team itself and never everybody's mail provider."""

import pytest

from workitems.queue.participants import Participants, is_free

DESK = "desk@tubepost.example"


def test_the_sender_takes_part_with_address_and_domain() -> None:
    found = Participants.of("Ann@Firm.example")
    assert found == Participants("ann@firm.example,@firm.example", "ann@firm.example,@firm.example")


def test_a_domain_that_everybody_can_have_does_not_take_part() -> None:
    assert Participants.of("ann@gmail.com").people == "ann@gmail.com"


def test_recipients_take_part_but_the_team_and_its_domain_do_not() -> None:
    recipients = [DESK, "colleague@tubepost.example", "Bob@firm.example"]
    assert Participants.of("ann@a.example", recipients, ours=[DESK]).people == (
        "ann@a.example,@a.example,bob@firm.example,@firm.example"
    )


def test_recipients_prove_nothing_about_where_a_mail_belongs() -> None:
    assert Participants.of("eve@evil.example", ["ann@a.example"], ours=[DESK]).proof == "eve@evil.example,@evil.example"


def test_a_forged_sender_proves_nothing() -> None:
    found = Participants.of("ann@a.example", [DESK], ours=[DESK], is_forged=True)
    assert (found.proof, found.people) == ("", "ann@a.example,@a.example")
    assert not Participants.of("boss@tubepost.example", ours=[DESK], is_forged=True).is_colleague


def test_recipients_do_not_count_while_nobody_knows_which_of_them_are_the_team() -> None:
    assert Participants.of("ann@a.example", [DESK]).people == "ann@a.example,@a.example"


def test_a_team_at_a_free_provider_shares_no_domain_with_its_customers() -> None:
    found = Participants.of("ann@a.example", ["desk@gmail.com", "bob@gmail.com"], ours=["desk@gmail.com"])
    assert found.people == "ann@a.example,@a.example,bob@gmail.com"
    assert not Participants.of("bob@gmail.com", ours=["desk@gmail.com"]).is_colleague


def test_mail_of_the_team_has_its_recipients_and_their_number() -> None:
    found = Participants.of(DESK, ["ann@a.example", "bob@b.example", "boss@tubepost.example"], is_own=True)
    people = "ann@a.example,@a.example,bob@b.example,@b.example"
    assert found == Participants(people, people, 2)


def test_hidden_recipients_of_mail_of_the_team_are_counted_and_do_not_take_part() -> None:
    found = Participants.of(DESK, ["ann@a.example"], hidden=["x@x.example", "Y@y.example"], is_own=True)
    assert (found.people, found.sent) == ("ann@a.example,@a.example", 3)


def test_a_colleague_counts_with_the_address_alone_and_the_teams_own_address_not_at_all() -> None:
    assert Participants.of("boss@tubepost.example", ours=[DESK]) == Participants(
        "boss@tubepost.example", "boss@tubepost.example", None, is_colleague=True
    )
    assert Participants.of(DESK, ours=[DESK]) == Participants()


def test_nobody_becomes_a_colleague_by_what_a_mail_says_about_its_delivery() -> None:
    found = Participants.of("eve@evil.example", [DESK], ours=[DESK], delivered_to=["x@evil.example"])
    assert (found.proof, found.is_colleague) == ("eve@evil.example", False)


def test_what_is_no_address_is_left_out_and_the_rest_is_bounded() -> None:
    assert Participants.of("name").people == ""
    assert Participants.of("", ["name", "a,b@c.example"], ours=[DESK]).people == ""
    many = Participants.of("ann@a.example", [f"person{n}@firm{n}.example" for n in range(1000)], ours=[DESK])
    assert 450 < len(many.people) <= 500


@pytest.mark.parametrize(
    ("name", "is_everybodys"),
    [
        ("gmail.com", True),
        ("gmx.net", True),
        ("web.de", True),
        ("yahoo.co.uk", True),
        ("mail.firm.example", False),
        ("outlook.firm.co.uk", False),
        ("docusign.net", True),
        ("firm.example", False),
        ("web.example", False),
        ("", False),
    ],
)
def test_free_providers_are_known(name: str, is_everybodys: bool) -> None:
    assert is_free(name) is is_everybodys
