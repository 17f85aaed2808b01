"""Limits of reading one mail. Strangers write mail: every loop and every allocation ends at one of these."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """Limits of reading one mail; the rest is left out and the reading is flagged `truncated`."""

    #: Bytes of raw mail; larger mail is read by its headers only.
    mail_bytes: int = 64 * 1024 * 1024
    #: Bytes of one header block.
    header_bytes: int = 256 * 1024
    #: Header fields in one block.
    header_fields: int = 1_000
    #: MIME parts in one mail.
    parts: int = 500
    #: Multiparts inside each other.
    depth: int = 50
    #: Addresses kept of To and of Cc.
    recipients: int = 200
    #: Bytes of one text part that are decoded.
    part_text_bytes: int = 4 * 1024 * 1024
    #: Encoded bytes of one text part in which files and images are searched, before their text is cut.
    encoded_text_bytes: int = 32 * 1024 * 1024
    #: Characters of HTML that are sanitized and turned into text.
    html_characters: int = 1024 * 1024
    #: Nodes of the HTML tree that are walked for text.
    html_nodes: int = 200_000
    #: Characters of the stored text.
    text_characters: int = 256 * 1024
    #: Bytes of one image embedded in the HTML, and of all of them.
    image_bytes: int = 1024 * 1024
    images_bytes: int = 5 * 1024 * 1024
    #: Bytes of one attachment that is opened for its text, and how many are opened.
    attachment_bytes: int = 5 * 1024 * 1024
    attachments_opened: int = 10
    #: Bytes that a zipped document (docx, xlsx) may unfold to, and entries in it.
    unpacked_bytes: int = 8 * 1024 * 1024
    unpacked_entries: int = 500
    #: Work on one file, and on all files of a mail, in units of about a microsecond (`attachments/work.py`).
    file_work: int = 800_000
    files_work: int = 1_000_000
    #: Pages of a PDF; drawing operations of all of them, and bytes of the strings that they draw.
    pages: int = 10
    drawing_operations: int = 20_000
    drawing_strings: int = 256 * 1024
    #: Elements in the XML of a document; a spreadsheet may have so many cells in its files, though fewer are read.
    elements: int = 200_000
    #: Tags of the parts of a spreadsheet that are not cells or strings: the library makes an object of each element.
    sheet_objects: int = 20_000
    #: Rows of each sheet and cells of all sheets of a spreadsheet; a million cells took 4.4 s.
    rows: int = 1_000
    sheet_cells: int = 50_000
    #: Characters of text kept of one attachment, and of all of them.
    attachment_text: int = 64 * 1024
    attachments_text: int = 256 * 1024
