"""A coverage-guided fuzzer for the readers of mail: `make fuzz TARGET=html SECONDS=60` (CONTRIBUTING.md)."""
