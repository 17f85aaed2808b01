"""Invented business mail in many languages and layouts: `texts/` has one TOML file for each letter.

A file holds templates with `{{value}}` in them and defines the values in `[values]`; `values.py` explains how.
Companies, people and numbers are invented, and every address ends in `.example`.
"""

from demo.letters.compose import compose
from demo.letters.letter import Letter, letters

__all__ = ["Letter", "compose", "letters"]
