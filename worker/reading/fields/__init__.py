"""Fields cut out of text: by label, by pattern, with evidence."""
