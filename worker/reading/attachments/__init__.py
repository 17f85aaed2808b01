"""The files of a mail, and the text in them."""
