"""A server with one mailbox whose messages come as a test wants: late, empty, refused or whole."""

import contextlib
import re
from dataclasses import dataclass, field

from tests.support.scripted_imap import Talk


@dataclass(slots=True)
class Message:
    """The parts that the server gives of one message; None: that part is missing.

    `later`: how many requests for its size get no answer before it is known.
    """

    body: bytes | None
    header: bytes | None = None
    size: int = 0
    later: int = 0


@dataclass(slots=True)
class FaultyMailbox:
    """Answers the commands that the poller sends. `serve` is a script for ScriptedImap."""

    messages: dict[int, Message]
    uidvalidity: int = 7
    refuses: set[int] = field(default_factory=set)
    partial: bool = True
    max_part_bytes: int = 1 << 30
    fetches: list[str] = field(default_factory=list)

    async def serve(self, talk: Talk) -> None:
        """Answer until the client logs out or disconnects."""
        with contextlib.suppress(ConnectionResetError):
            await self._serve(talk)

    async def _serve(self, talk: Talk) -> None:
        await talk.say("* OK ready")
        while True:
            tag, _, command = (await talk.line()).partition(" ")
            words = command.upper().split()
            if words[0] == "LOGOUT":
                await talk.say("* BYE see you", f"{tag} OK done")
                return
            answers, end = self._answer(command, words)
            await talk.send(b"".join(answer + b"\r\n" for answer in answers))
            await talk.say(f"{tag} {end}")

    def _answer(self, command: str, words: list[str]) -> tuple[list[bytes], str]:
        if words[0] == "CAPABILITY":
            return [b"* CAPABILITY IMAP4rev1"], "OK done"
        if words[0] == "SELECT":
            following = max(self.messages, default=0) + 1
            return [
                b"* %d EXISTS" % len(self.messages),
                b"* OK [UIDVALIDITY %d] valid" % self.uidvalidity,
                b"* OK [UIDNEXT %d] next" % following,
            ], "OK [READ-WRITE] done"
        if words[:2] == ["UID", "SEARCH"]:
            first = int(words[3].split(":")[0])
            found = [uid for uid in sorted(self.messages) if uid >= first]
            return [b"* SEARCH " + b" ".join(b"%d" % uid for uid in found)], "OK done"
        if words[:2] == ["UID", "FETCH"]:
            return self._fetch(command, _uids(words[2]))
        return [], "OK done"

    def _fetch(self, command: str, uids: set[int]) -> tuple[list[bytes], str]:
        self.fetches.append(command)
        asked = sorted(uids & self.messages.keys())
        if "BODY" in command and self.refuses & set(asked):
            return [], "NO [UNAVAILABLE] not this one"
        return [part for uid in asked for part in self._parts(command, uid)], "OK done"

    def _parts(self, command: str, uid: int) -> list[bytes]:
        message = self.messages[uid]
        if "RFC822.SIZE" in command:
            message.later -= 1
            if message.later >= 0:
                return []
            size = message.size or len(message.body or b"")
            date = b'"02-Mar-2026 10:00:00 +0000"'
            described = b"* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE %s FLAGS ()" % (uid, uid, size, date)
            if "BODY" not in command or message.body is None:
                return [described + b")"]
            asked = int(command.partition("<0.")[2].partition(">")[0])
            part = message.body[: min(asked, self.max_part_bytes)] if self.partial else message.body
            return [described + b" BODY[]<0> {%d}" % len(part), part + b")"]
        name, octets = (b"BODY[HEADER]<0>", message.header) if "HEADER" in command else (b"BODY[]", message.body)
        if octets is None:
            return []
        return [b"* %d FETCH (UID %d %s {%d}" % (uid, uid, name, len(octets)), octets + b")"]


def _uids(text: str) -> set[int]:
    ranges = [re.fullmatch(r"(\d+)(?::(\d+))?", part) for part in text.split(",")]
    return {uid for each in ranges if each for uid in range(int(each[1]), int(each[2] or each[1]) + 1)}
