"""From raw bytes to headers and parts (RFC 5322, RFC 2045 to 2047)."""
