"""Two thousand mails in several mailboxes while everything fails: each is one item, none missing, none twice."""

import random
from pathlib import Path

import pytest

from tests.faults.storm import Storm

MAILS = 2000

#: Letters that come between two faults.
BATCH = 50


@pytest.mark.parametrize("seed", [20261122])
def test_each_mail_is_one_item_whatever_fails(tmp_path: Path, seed: int) -> None:
    storm = Storm(tmp_path, random.Random(seed)).open()
    try:
        faults = [*storm.every_fault(), *storm.every_fault()]
        storm.chance.shuffle(faults)
        for _ in range(MAILS // BATCH):
            storm.bring(BATCH)
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
