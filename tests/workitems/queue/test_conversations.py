"""A mail joins a submission only when a link and people say so; a wrong join shows strangers each other's mail."""

from itertools import count
from typing import Any

import pytest

from tests.workitems.samples import machine
from workitems.base import keys
from workitems.intake.identity import message_key
from workitems.queue.change import ItemChange
from workitems.queue.item import Item
from workitems.queue.participants import Participants
from workitems.queue.reindex import reindex
from workitems.queue.store import ItemStore, find_references

DESK = "desk@tubepost.example"


class Conversation:
    """Publishes mails by a short notation: an id, the sender, the Message-IDs that it names."""

    def __init__(self, store: ItemStore) -> None:
        self._store = store
        self._ids = (f"wi_{n:026}" for n in count())

    async def mail(
        self,
        name: str,
        sender: str,
        *names: str,
        to: tuple[str, ...] = (DESK,),
        subject: str = "",
        own: bool = False,
        hidden: tuple[str, ...] = (),
        forged: bool = False,
        automatic: bool = False,
        kind: str = "human",
        status: str = "new",
        mailbox: str = "claims",
        message_id: str = "",
        date: str | None = None,
    ) -> Item:
        parts: dict[str, Any] = {"from_email": sender, "kind": "own" if own else kind}
        result = await self._store.publish(
            next(self._ids),
            mailbox,
            machine(subject or name, **parts),
            message_id=message_key(f"<{message_id or name}@x.example>"),
            references=[message_key(f"<{each}@x.example>") for each in names],
            participants=Participants.of(sender, to, ours=[DESK], hidden=hidden, is_own=own, is_forged=forged),
            date=date,
            is_automatic=automatic,
            status="done" if own else status,
        )
        assert result.item is not None
        return result.item


@pytest.fixture
def talk(store: ItemStore) -> Conversation:
    return Conversation(store)


async def test_an_answer_to_a_mail_that_we_have_joins_whoever_sends_it(talk: Conversation) -> None:
    first = await talk.mail("first", "ann@a.example")
    answer = await talk.mail("answer", "stranger@z.example", "first")
    assert answer.submission_id == first.submission_id


async def test_strangers_who_name_the_same_unknown_mail_stay_apart(talk: Conversation) -> None:
    one = await talk.mail("one", "ann@a.example", "newsletter")
    two = await talk.mail("two", "bob@b.example", "newsletter")
    assert one.submission_id != two.submission_id
    later = await talk.mail("later", "bob@b.example", "two", "newsletter")
    assert later.submission_id == two.submission_id


async def test_a_colleague_joins_by_an_unknown_mail_and_a_user_of_the_same_provider_does_not(
    talk: Conversation,
) -> None:
    one = await talk.mail("one", "ann@a.example", "unknown")
    assert (await talk.mail("two", "bob@a.example", "unknown")).submission_id == one.submission_id
    free = await talk.mail("three", "ann@gmail.com", "other")
    assert (await talk.mail("four", "bob@gmail.com", "other")).submission_id != free.submission_id


async def test_a_recipient_of_an_earlier_mail_takes_part_and_one_of_the_new_mail_does_not(talk: Conversation) -> None:
    one = await talk.mail("one", "ann@a.example", "unknown", to=(DESK, "bob@b.example"))
    two = await talk.mail("two", "bob@b.example", "unknown")
    eve = await talk.mail("eve", "eve@e.example", "unknown", to=(DESK, "ann@a.example"))
    assert two.submission_id == one.submission_id
    assert eve.submission_id != one.submission_id


async def test_recipients_prove_where_own_mail_belongs(talk: Conversation) -> None:
    one = await talk.mail("one", "ann@a.example", "sent-later")
    sent = await talk.mail("sent-later", DESK, own=True, to=("ann@a.example", "carl@c.example"))
    named = await talk.mail("named", DESK, own=True, to=("ann@a.example",), subject=f"Your {one.submission_ref}")
    assert (sent.submission_id, named.submission_id) == (one.submission_id, one.submission_id)


async def test_a_sender_whose_domain_denies_the_mail_joins_nothing_by_name(talk: Conversation) -> None:
    first = await talk.mail("first", "ann@a.example", "unknown")
    for sender in ("ann@a.example", "boss@tubepost.example"):
        forged = await talk.mail(f"by {sender}", sender, "unknown", subject=first.submission_ref, forged=True)
        assert forged.submission_id != first.submission_id


async def test_a_colleague_joins_by_our_reference(talk: Conversation) -> None:
    first = await talk.mail("first", "ann@a.example")
    forwarded = await talk.mail("forwarded", "boss@tubepost.example", subject=f"FW: {first.submission_ref}")
    assert forwarded.submission_id == first.submission_id


async def test_a_colleague_joins_by_an_answer_to_what_the_team_sent(talk: Conversation) -> None:
    many = await talk.mail("many", DESK, own=True, to=("ann@a.example", "bob@b.example", "boss@tubepost.example"))
    inside = await talk.mail("inside", DESK, own=True, to=("boss@tubepost.example",))
    for sent in (many, inside):
        answer = await talk.mail(f"re {sent.id}", "boss@tubepost.example", sent.machine["subject"])
        assert answer.submission_id == sent.submission_id


async def test_answers_to_a_mail_to_many_join_only_where_it_was_addressed_to_them(talk: Conversation) -> None:
    offer = await talk.mail("offer", DESK, own=True, to=("ann@a.example", "bob@b.example"))
    ann = await talk.mail("ann", "ann@a.example", "offer")
    stranger = await talk.mail("carl", "carl@c.example", "offer")
    other = await talk.mail("dora", "dora@d.example", "offer")
    assert ann.submission_id == offer.submission_id
    assert len({offer.submission_id, stranger.submission_id, other.submission_id}) == 3


async def test_answers_to_a_mail_without_visible_recipients_stay_apart(talk: Conversation) -> None:
    offer = await talk.mail("offer", DESK, own=True, to=(DESK,))
    answers = [await talk.mail(name, f"{name}@{name}.example", "offer") for name in ("ann", "bob", "carl")]
    assert len({item.submission_id for item in (offer, *answers)}) == 4


async def test_those_to_whom_a_mailing_was_hidden_have_conversations_of_their_own(talk: Conversation) -> None:
    mailing = await talk.mail("mailing", DESK, own=True, to=("ann@a.example",), hidden=("bob@b.example", "c@c.example"))
    answers = [await talk.mail(name, f"{name}@{name}.example", "mailing") for name in ("bob", "c")]
    assert len({item.submission_id for item in (mailing, *answers)}) == 3
    assert (await talk.mail("ann", "ann@a.example", "mailing")).submission_id == mailing.submission_id


async def test_an_answer_to_a_mail_to_one_person_joins_from_any_address(talk: Conversation) -> None:
    offer = await talk.mail("offer", DESK, own=True, to=("ann@a.example",))
    assert (await talk.mail("answer", "ann@home.example", "offer")).submission_id == offer.submission_id


async def test_a_message_id_that_several_mails_have_is_no_link_for_strangers(talk: Conversation) -> None:
    one = await talk.mail("same", "ann@a.example")
    two = await talk.mail("same", "bob@b.example")
    answer = await talk.mail("answer", "carl@c.example", "same")
    assert len({item.submission_id for item in (one, two, answer)}) == 3


async def test_who_repeats_a_message_id_does_not_lead_the_answers_of_others_away(talk: Conversation) -> None:
    one = await talk.mail("same", "ann@a.example")
    await talk.mail("hostile", "eve@e.example", message_id="same", to=(DESK, "ann@a.example"))
    answer = await talk.mail("answer", "ann@a.example", "same")
    ours = await talk.mail("ours", DESK, "same", own=True, to=("ann@a.example",))
    assert (answer.submission_id, ours.submission_id) == (one.submission_id, one.submission_id)


async def test_copies_of_one_mail_are_one_conversation(talk: Conversation) -> None:
    date = "2026-03-01T09:30:00Z"
    direct = await talk.mail("direct", "ann@a.example", message_id="same", date=date)
    listed = await talk.mail("[list] direct", "list@lists.example", message_id="same", date=date, kind="list")
    other = await talk.mail("other", "list@lists.example", message_id="same", date="2026-03-02T09:30:00Z")
    assert listed.submission_id == direct.submission_id != other.submission_id
    answer = await talk.mail("answer", "ann@a.example", "same")
    assert answer.submission_id == direct.submission_id


async def test_the_nearest_mail_that_we_have_decides(talk: Conversation) -> None:
    first = await talk.mail("first", "ann@a.example")
    offer = await talk.mail("offer", DESK, "first", own=True, to=("ann@a.example", "bob@b.example"))
    stranger = await talk.mail("carl", "carl@c.example", "offer", "first")
    assert offer.submission_id == first.submission_id != stranger.submission_id


async def test_each_who_names_an_unknown_mail_has_a_conversation_of_their_own(talk: Conversation) -> None:
    ann = await talk.mail("ann", "ann@a.example", "unknown")
    bob = await talk.mail("bob", "bob@b.example", "unknown")
    again = [await talk.mail(f"again {item.id}", item.machine["from_email"], "unknown") for item in (ann, bob)]
    assert [item.submission_id for item in again] == [ann.submission_id, bob.submission_id]


async def test_an_unknown_mail_leads_to_five_conversations_at_most(talk: Conversation, redis: Any) -> None:
    for n in range(9):
        await talk.mail(f"mail{n}", f"p@p{n}.example", "unknown")
    named = await redis.hget(keys.message_id(message_key("<unknown@x.example>")), "submission:claims")
    assert len(named.split(b",")) == 5
    assert (await talk.mail("late", "p@p8.example", "unknown")).submission_id in named.decode()


async def test_a_mail_that_was_answered_before_it_came_joins_when_its_people_take_part(talk: Conversation) -> None:
    answer = await talk.mail("answer", "ann@a.example", "first")
    assert (await talk.mail("first", "bob@a.example")).submission_id == answer.submission_id
    other = await talk.mail("other", "ann@a.example", "later")
    assert (await talk.mail("later", "stranger@z.example")).submission_id != other.submission_id


async def test_our_reference_in_the_subject_joins_when_the_sender_takes_part(talk: Conversation) -> None:
    first = await talk.mail("first", "ann@a.example")
    subject = f"AW: [{first.submission_ref.lower()}] your claim"
    assert (await talk.mail("two", "bob@a.example", subject=subject)).submission_id == first.submission_id
    assert (await talk.mail("three", "eve@z.example", subject=subject)).submission_id != first.submission_id
    assert (
        await talk.mail("four", "ann@a.example", subject=subject, mailbox="orders")
    ).submission_id != first.submission_id


def test_only_whole_references_are_found_in_a_subject() -> None:
    assert find_references("Re: SUB-2026-000042, sub-2026-1000000") == ["SUB-2026-000042", "SUB-2026-1000000"]
    assert find_references("XSUB-2026-000042 SUB-2026-42 SUB-2026-000042-7") == []
    assert len(find_references("SUB-2026-000042 " * 100)) == 3


@pytest.mark.parametrize("kind", ["auto_reply", "bounce", "receipt"])
async def test_mail_of_machines_does_not_open_a_finished_submission_again(
    talk: Conversation, store: ItemStore, kind: str
) -> None:
    first = await talk.mail("first", "ann@a.example")
    waiting = await talk.mail("waiting", "ann@a.example", "first", kind=kind)
    for item in (first, waiting):
        await store.change(item.id, ItemChange(status="done"), who="Ann")
    late = await talk.mail("late", "ann@a.example", "first", kind=kind)
    human = await talk.mail("human", "ann@a.example", "first")
    assert (waiting.status, late.status, human.status) == ("new", "done", "new")
    assert (await store.get(late.id)).status == "done"
    assert late.id in [item.id for item in (await store.list_items(status="done")).items]


async def test_mail_of_machines_that_joins_nothing_is_new(talk: Conversation) -> None:
    assert (await talk.mail("first", "ann@a.example", kind="auto_reply")).status == "new"


async def test_items_of_an_older_program_take_part_with_their_sender(
    talk: Conversation, store: ItemStore, redis: Any
) -> None:
    first = await talk.mail("first", "ann@a.example", "unknown")
    await redis.hdel(f"{{tubepost}}:item:{first.id}", "people")
    assert (await talk.mail("two", "ann@a.example", "unknown")).submission_id == first.submission_id


async def test_a_mail_that_names_many_submissions_reads_few_items(talk: Conversation, redis: Any) -> None:
    unknown = [f"unknown{n}" for n in range(20)]
    for name in unknown:
        for n in range(15):
            await talk.mail(f"{name}-{n}", "evil@evil.example", name)
    await redis.config_resetstat()
    await talk.mail("hostile", "ann@a.example", *unknown)
    stats = await redis.info("commandstats")
    calls = {name: int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("hget", "hmget", "zrange")}
    assert calls["hget"] <= 120, calls
    assert calls["hmget"] <= 10, calls
    assert calls["zrange"] <= 15, calls


async def test_the_customer_takes_part_after_many_mails_of_others(talk: Conversation) -> None:
    first = await talk.mail("first", "pat@p.example")
    for n in range(30):
        await talk.mail(f"flood{n}", "evil@evil.example", "first")
    late = await talk.mail("late", "pat@p.example", subject=first.submission_ref)
    assert late.submission_id == first.submission_id


async def test_a_new_reading_writes_who_takes_part(store: ItemStore, redis: Any) -> None:
    item_id = f"wi_{1:026}"
    await store.publish(item_id, "claims", machine(), participants=Participants.of("ann@a.example", ours=[DESK]))
    await redis.hdel(keys.item(item_id), "people")
    own = Participants.of(DESK, ["bob@b.example"], ours=[DESK], is_own=True)
    assert (await store.publish(item_id, "claims", machine(), participants=own)).outcome == "same"
    found = await redis.hmget(keys.item(item_id), "people", "sent")
    assert found == [b"bob@b.example,@b.example", b"1"]
    ann = Participants.of("ann@a.example", ours=[DESK])
    assert (await store.publish(item_id, "claims", machine("better"), participants=ann)).outcome == "renewed"
    assert await redis.hmget(keys.item(item_id), "people", "sent") == [b"ann@a.example,@a.example", None]


async def test_a_bounce_that_redis_lost_and_that_is_read_again_is_new(store: ItemStore, redis: Any) -> None:
    item_id, bounce = f"wi_{1:026}", machine(kind="bounce")
    await store.publish(item_id, "claims", bounce)
    await redis.delete(keys.item(item_id))
    await reindex(redis)
    again = (await store.publish(item_id, "claims", bounce)).item
    assert again is not None
    assert again.status == "new"


async def test_mail_of_a_list_is_new_unless_it_says_that_no_person_wrote_it(
    talk: Conversation, store: ItemStore
) -> None:
    first = await talk.mail("first", "ann@a.example")
    await store.change(first.id, ItemChange(status="done"), who="Ann")
    automatic = await talk.mail("automatic", "ann@a.example", "first", kind="notification", automatic=True)
    assert (automatic.submission_id, automatic.status) == (first.submission_id, "done")
    for kind in ("list", "notification"):
        assert (await talk.mail(kind, "ann@a.example", "first", kind=kind)).status == "new"
    invitation = await talk.mail("invitation", "ann@a.example", "first", kind="invitation", automatic=True)
    assert invitation.status == "new"
