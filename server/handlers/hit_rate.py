"""`GET /api/fields/hit-rate`: how often each expected field was found, by day and mailbox."""

from datetime import UTC, date, datetime, timedelta

from server.handlers.base import BaseHandler
from server.http import query_params
from workitems.base.errors import InvalidChangeError
from workitems.queue.field_counts import KEPT_DAYS, read_field_counts
from workitems.settings import Settings

#: Time before the last day at which a series without `from` begins: it has 30 days.
BEFORE = timedelta(days=29)

#: Days times mailboxes of one answer at most: encoding it must not hold the event loop.
MAX_ROWS = 1_000


class HitRateHandler(BaseHandler):
    """Answers `{from, to, days: [{day, mailbox, fields: {name: {found, in_doubt, absent}}}]}`; days are of UTC."""

    async def get(self) -> None:
        last = self._day("to", datetime.now(UTC).date())
        first = self._day("from", max(last, date.min + BEFORE) - BEFORE)
        name = self.get_query_argument("mailbox", None)
        mailboxes = [query_params.parse_mailbox(name)] if name else known_mailboxes(self.context.settings)
        check_range(first, last, len(mailboxes))
        found = await read_field_counts(self.context.redis, mailboxes, first, last)
        days = [{"day": each.day.isoformat(), "mailbox": each.mailbox, "fields": each.fields} for each in found]
        self.write_json({"from": first.isoformat(), "to": last.isoformat(), "days": days})

    def _day(self, name: str, default: date) -> date:
        value = self.get_query_argument(name, None)
        return query_params.parse_date(value, name) if value else default


def check_range(first: date, last: date, mailboxes: int) -> None:
    """Raise InvalidChangeError when the days are in the wrong order, or are too many for one answer."""
    days = (last - first).days + 1
    if days < 1:
        raise InvalidChangeError("a day that is not after `to` is accepted", "from")
    if days > KEPT_DAYS:
        raise InvalidChangeError(f"at most {KEPT_DAYS} days are accepted: counts are kept for no longer", "from")
    if days * mailboxes > MAX_ROWS:
        most = MAX_ROWS // mailboxes
        raise InvalidChangeError(f"at most {most} days of all {mailboxes} mailboxes are accepted; or name one", "from")


def known_mailboxes(settings: Settings) -> list[str]:
    """Return the mailboxes that the settings name anywhere."""
    named = {name for rule in settings.fields.values() for name in rule.all_mailboxes}
    sources = {source.mailbox for source in settings.sources.values()}
    return sorted({*settings.mailboxes, settings.intake.default_mailbox} | named | sources)
