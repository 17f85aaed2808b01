"""What damaged files of a backup cost, and what is left out with them."""

import pytest

from workitems.backup.damage import MAX_PROBLEMS, Damage, describe_cost, is_left_out

ITEM = "wi_" + "a" * 26
RAW = "0af" * 10


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"mail/aa/{ITEM}/{RAW}.eml", f"the raw mail of {ITEM} is lost"),
        (f"mail/aa/{ITEM}/{RAW}.json", f"the raw mail of {ITEM} cannot be shown"),
        (f"mail/aa/{ITEM}/reading.json", f"the text and HTML of {ITEM}; a worker reads them"),
        (f"mail/aa/{ITEM}/attachment-3", f"attachment-3 of {ITEM}; a worker reads it"),
        ("mail/.tubepost/gone", "it is made again"),
        ("mail/.tubepost/references", "nothing"),
        ("mail/.tubepost/users", "nothing"),
        ("mail/.tubepost/start-0123ab", "nothing now"),
        ("settings/secret", "people must sign in again"),
        ("settings/mailboxes.desk.password_file", "mailboxes.desk.password_file"),
        ("mail/of-a-newer-version", "this file"),
    ],
)
def test_each_kind_of_file_has_its_cost(path: str, words: str) -> None:
    assert words in describe_cost(path)


@pytest.mark.parametrize(
    ("name", "damaged", "restored", "is_out"),
    [
        ("1.json", ["1.eml"], [], True),
        ("2.json", ["1.eml"], ["2.eml"], False),
        ("reading.json", ["attachment-1"], ["1.eml", "1.json"], True),
        ("reading.json", ["attachment-1"], [], False),  # its raw mail is no longer kept
        ("reading.json", ["attachment-1", "2.eml"], ["1.eml"], False),
        ("reading.json", ["1.eml"], ["attachment-1"], False),
        ("reading.json", [], ["1.eml"], False),
        ("attachment-2", ["attachment-1"], ["1.eml"], False),
    ],
)
def test_what_an_import_or_a_worker_makes_again_is_left_out_with_what_it_belongs_to(
    name: str, damaged: list[str], restored: list[str], is_out: bool
) -> None:
    assert is_left_out(name, damaged, restored) is is_out


def test_so_many_damaged_files_are_counted_but_not_all_named() -> None:
    damage = Damage()
    for n in range(MAX_PROBLEMS + 5):
        damage.add(f"settings/{n}")
    assert (damage.count, len(damage.files)) == (MAX_PROBLEMS + 5, MAX_PROBLEMS)
