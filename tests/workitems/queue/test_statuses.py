"""Closed statuses are defined once: Lua and the page agree with Python."""

import json
import shutil
import subprocess
from pathlib import Path

from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.base.statuses import CLOSED_STATUSES, STATUSES
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore

JAVASCRIPT = Path(__file__).parents[3] / "server/static/js"


async def test_redis_lists_only_closed_items_as_closed(store: ItemStore, redis: RedisClient) -> None:
    ids = dict(zip(STATUSES, IDS, strict=False))
    for status, item_id in ids.items():
        await store.publish(item_id, "claims", machine())
        await store.change(item_id, ItemChange(status=status), who="ann")
    found = {item_id.decode() for item_id in await redis.zrange(keys.CLOSED, 0, -1)}
    assert found == {ids[status] for status in CLOSED_STATUSES}


def test_the_page_has_the_same_statuses_and_counts_the_closed_ones_as_not_open() -> None:
    script = f"""
        const {{ STATUSES, CLOSED_STATUSES }} = await import("file://{JAVASCRIPT}/lib/statuses.js");
        const {{ count }} = await import("file://{JAVASCRIPT}/queue/state.js");
        const closed = STATUSES.filter((status) => count([{{ id: "a", mailbox: "m", status }}], "").open === 0);
        console.log(JSON.stringify([STATUSES, CLOSED_STATUSES, closed]));
    """
    node = shutil.which("node")
    assert node, "node 20 or newer is needed (Debian: nodejs)"
    ran = subprocess.run(
        [node, "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [list(STATUSES), list(CLOSED_STATUSES), list(CLOSED_STATUSES)]
