"""Two thousand mails in several mailboxes under many faults: each becomes exactly one item."""

import random
from pathlib import Path

import pytest

from tests.faults.storm import Storm

MAILS = 2000

#: Mails that come between two faults.
BATCH = 50


@pytest.mark.parametrize("seed", [20261122])
def test_each_mail_becomes_one_item_in_spite_of_all_faults(tmp_path: Path, seed: int) -> None:
    storm = Storm(tmp_path, random.Random(seed)).open()
    try:
        faults = [*storm.every_fault(), *storm.every_fault()]
        storm.chance.shuffle(faults)
        for _ in range(MAILS // BATCH):
            storm.deliver(BATCH)
            if faults:
                storm.strike(faults.pop())
        storm.until_done()
        assert storm.items() == set(storm.expected)
        assert storm.created() == storm.expected
        references = storm.references()
        assert len(set(references)) == len(references) == MAILS
        assert min(storm.faults.values()) == 2
        assert storm.proxy.cuts > 0
    finally:
        storm.close()
