"""Reads PDFs with pypdf, whose work is counted."""
