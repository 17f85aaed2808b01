"""Figures of Tubepost, each as a ratio to a peer in the same run: `python -m bench [NAME …] [--quick]`."""
