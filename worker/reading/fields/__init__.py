"""Extracts fields from text: by label, by pattern, with evidence."""
