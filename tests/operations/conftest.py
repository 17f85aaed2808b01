"""Whole installations under supervisord, in a folder of their own, as an operator runs them."""

from tests.demo.test_launch import project, start
from tests.faults.conftest import own_redis

__all__ = ["own_redis", "project", "start"]
