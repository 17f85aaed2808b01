"""Collects what was wrong with a mail: each problem is a flag, and some need a person."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problems:
    """Problems of a reading; each becomes a flag, some need a person."""

    truncated: bool = False
    defects: bool = False
    charset_guessed: bool = False
    attachment_unread: bool = False
    encrypted: bool = False
    no_text: bool = False
    misleading_link: bool = False
    missing: tuple[str, ...] = ()
    #: Only mail of people needs review for a field that it lacks.
    is_human: bool = True

    def flags(self) -> tuple[str, ...]:
        named = (
            "truncated",
            "defects",
            "charset_guessed",
            "attachment_unread",
            "encrypted",
            "no_text",
            "misleading_link",
        )
        out = [name for name in named if getattr(self, name)]
        out += ["missing_required"] * bool(self.missing) + ["needs_review"] * (self.reason() is not None)
        return tuple(sorted(out))

    def reason(self) -> str | None:
        if self.truncated:
            return "The mail is larger or deeper than what is read; a part of it was left out."
        if self.missing and self.is_human:
            return f"Required fields were not found: {', '.join(self.missing)}."
        return None
