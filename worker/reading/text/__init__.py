"""From parts to the text and the HTML that a person reads."""
