"""Turns one candidate into one value: the normal form of its type, or nothing. Never a guess."""

from worker.reading.fields.values.finders import find_readings, find_value, is_blank
from worker.reading.fields.values.value import FieldValue, Hint, Readings

__all__ = ["FieldValue", "Hint", "Readings", "find_readings", "find_value", "is_blank"]
