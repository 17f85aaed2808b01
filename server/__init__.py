"""What talks to browsers: the event stream, the JSON interface and the page. Never opens a mail."""
