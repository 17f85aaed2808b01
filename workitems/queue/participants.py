"""The people of a mail, in the form by which conversations are joined. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Self

#: Characters of the people of one mail that are kept.
MAX_CHARACTERS = 500

_FREE = frozenset(
    line
    for line in files("workitems").joinpath("queue/free_mail_domains.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)


@dataclass(frozen=True, slots=True)
class Participants:
    """People of one mail, as addresses and `@domains` joined by commas.

    `proof` says where the mail belongs; `people` is what later mail is compared with. `sent` is the number of
    recipients of a mail that the team sent, else None. A colleague has an address in a domain of the team.
    """

    proof: str = ""
    people: str = ""
    sent: int | None = None
    is_colleague: bool = False

    @classmethod
    def of(
        cls,
        sender: str,
        recipients: Iterable[str] = (),
        *,
        ours: Iterable[str] = (),
        delivered_to: Iterable[str] = (),
        hidden: Iterable[str] = (),
        is_own: bool = False,
        is_forged: bool = False,
    ) -> Self:
        """Make it from addresses. *ours* are set by the operator; anybody can write *delivered_to* into a mail.

        Addresses of the team take part in everything, so they prove nothing; without any, nobody knows which recipients
        are the team, and all are left out. Only the sender proves something: people write any recipients they like.
        *hidden* are the recipients of Bcc, who have conversations of their own.
        """
        sender = sender.lower()
        team = _addresses(ours)
        domains = {domain(address) for address in team}
        is_colleague = not is_own and sender not in team and domain(sender) in domains and not is_free(domain(sender))
        team |= _addresses(delivered_to)
        if is_own:
            team.add(sender)
        domains |= {domain(address) for address in team}
        others = [
            address
            for address in map(str.lower, recipients)
            if team and address not in team and (is_free(domain(address)) or domain(address) not in domains)
        ]
        if is_own:
            people = _joined(others, domains)
            return cls(people, people, len({*others, *map(str.lower, hidden)}))
        senders = [] if sender in team else [sender]
        proof = "" if is_forged else _joined(senders, domains)
        return cls(proof, _joined([*senders, *others], domains), None, is_colleague and not is_forged)


#: The participants of a mail without any.
NOBODY = Participants()


def domain(address: str) -> str:
    """Return what follows the last `@`, in lower case; "" without one."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def is_free(name: str) -> bool:
    """Return whether everybody can have an address in this domain."""
    word, *ending = name.split(".")
    return name in _FREE or (word in _FREE and (len(ending) == 1 or (len(ending) == 2 and ending[0] in ("co", "com"))))


def _addresses(values: Iterable[str]) -> set[str]:
    return {value.lower() for value in values if "@" in value}


def _joined(addresses: Iterable[str], shared: Collection[str] = ()) -> str:
    """Join addresses and their domains; a *shared* domain, or that of a provider, says nothing about people."""
    found: dict[str, None] = {}
    size = 0
    for address in addresses:
        if "@" not in address or "," in address:
            continue
        is_shared = domain(address) in shared or is_free(domain(address))
        for key in [address] if is_shared else [address, f"@{domain(address)}"]:
            if key not in found:
                size += len(key) + 1
                if size > MAX_CHARACTERS:
                    return ",".join(found)
                found[key] = None
    return ",".join(found)
