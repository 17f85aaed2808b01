"""What `run.py restart` waits for, and what it says when it cannot begin; tests/operations/ has whole restarts."""

from pathlib import Path

import pytest

from worker.commands.restart import RestartRefusedError, end_seconds, holding_alone


@pytest.mark.parametrize(("drain", "seconds"), [(0, 60), (30, 60), (31, 61), (600, 630)])
def test_a_server_that_drains_for_long_has_time_to_end(drain: float, seconds: float) -> None:
    assert end_seconds(drain) == seconds


def test_two_restarts_do_not_run_at_once(tmp_path: Path) -> None:
    path = tmp_path / "restart.lock"
    with (
        holding_alone(path),
        pytest.raises(RestartRefusedError, match="another restart runs now; wait until it has ended"),
        holding_alone(path),
    ):
        pass
    with holding_alone(path):
        pass


def test_a_lock_that_cannot_be_made_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "restart.lock").mkdir()
    said = r"restart\.lock cannot be used: Is a directory\. Run this as the user that runs supervisord"
    with pytest.raises(RestartRefusedError, match=said), holding_alone(tmp_path / "restart.lock"):
        pass
