"""The commands of run.py that belong to the worker: one file for each."""
