"""What passes between the processes: items, events, the feed, the intake and the mail store.

Knows neither Tornado nor IMAP nor MIME. `server` and `worker` stand on it and never on each other.
"""
