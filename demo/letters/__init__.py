"""Invented business mail in many languages and layouts: one TOML file a letter, in `texts/`.

A file holds templates with `{{value}}` in them and says in `[values]` what may stand there; `values.py` explains how.
Companies, people and numbers are made up, and every address ends in `.example`.
"""

from demo.letters.compose import compose
from demo.letters.letter import Letter, letters

__all__ = ["Letter", "compose", "letters"]
