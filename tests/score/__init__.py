"""Scores the fields that are read against labelled mails: `python -m tests.score [FOLDER]`, or `make score`."""
