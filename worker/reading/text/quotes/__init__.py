"""Tells what a person wrote from quoted and forwarded text, signatures and disclaimers."""

from worker.reading.text.quotes.forwards import forwarded_by_mail
from worker.reading.text.quotes.regions import Region, Regions, split_regions

__all__ = ["Region", "Regions", "forwarded_by_mail", "split_regions"]
