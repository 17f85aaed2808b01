"""What passes between the processes: items, events, the feed, the intake and the mail store.

Knows neither Tornado nor IMAP nor MIME. `server` and `worker` use it, and never each other.
"""
