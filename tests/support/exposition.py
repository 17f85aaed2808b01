"""A strict parser of Prometheus's text format 0.0.4: what a lenient scraper forgives is an error here."""

import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_ENDS = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}

Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    """One metric: its type and its samples by (name, labels)."""

    kind: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


def parse_exposition(text: str) -> dict[str, Family]:
    """Return the metrics by name. Raises AssertionError for all that the format or its conventions forbid."""
    assert text.endswith("\n")
    families: dict[str, Family] = {}
    name, described = "", set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in described, f"{name} is described twice, or its lines are not together"
            described.add(name)
        elif line.startswith("# TYPE "):
            typed, kind = line.split(" ")[2:]
            assert typed == name, f"{typed} has no HELP before its TYPE"
            assert kind in _ENDS, line
            families[name] = Family(kind)
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line}"
            family = families[name]
            assert match[1] in [name + end for end in _ENDS[family.kind]], f"{match[1]} stands among {name}"
            key = match[1], _labels(match[2] or "")
            assert key not in family.samples, f"twice: {key}"
            family.samples[key] = float(match[3])
    for name, family in families.items():
        _check(name, family)
    return families


def values(families: dict[str, Family], sample: str) -> dict[Labels, float]:
    """Return labels → value of all samples with this name."""
    found = (family.samples.items() for family in families.values())
    return {labels: value for samples in found for (name, labels), value in samples if name == sample}


def _labels(text: str) -> Labels:
    found, at = [], 0
    while at < len(text):
        match = _LABEL.match(text, at)
        assert match, f"not a label: {text[at:]}"
        found.append((match[1], re.sub(r"\\(.)", lambda each: "\n" if each[1] == "n" else each[1], match[2])))
        at = match.end()
    names = [name for name, _ in found]
    assert len(set(names)) == len(names), f"a label twice: {text}"
    return tuple(sorted(found))


def _check(name: str, family: Family) -> None:
    assert family.kind != "counter" or name.endswith("_total"), f"a counter's name ends in _total: {name}"
    assert family.kind == "counter" or not name.endswith("_total"), name
    if family.kind != "histogram":
        return
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    for (sample, labels), value in family.samples.items():
        if sample.endswith("_bucket"):
            rest = tuple(each for each in labels if each[0] != "le")
            buckets.setdefault(rest, []).append((float(dict(labels)["le"]), value))
    for labels, found in buckets.items():
        assert found == sorted(found), f"buckets of {name}{labels} fall"
        assert found[-1] == (float("inf"), family.samples[f"{name}_count", labels])
        assert (f"{name}_sum", labels) in family.samples
