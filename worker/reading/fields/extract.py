from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    text: str
    spans: list[tuple[int, int]]
    weight: float


def extract(sources: list[Source], rules: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    return {}, {}
