"""Services that post mail: what each of them sends, as a mail and an envelope; and how each proves who it is."""
