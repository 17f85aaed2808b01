"""How much of one mail is read. Mail is written by strangers: every loop and every allocation ends at one of these."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on reading one mail; what lies beyond is left out and the reading is flagged `truncated`."""

    #: Bytes of raw mail; larger mail is read by its headers only.
    size: int = 64 * 1024 * 1024
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
    #: Characters of HTML that are sanitized and turned into text.
    html: int = 1024 * 1024
    #: Nodes of the HTML tree that are walked for text.
    html_nodes: int = 200_000
    #: Characters of the stored text.
    text: int = 256 * 1024
    #: Bytes of one image embedded in the HTML, and of all of them.
    image_bytes: int = 1024 * 1024
    images_bytes: int = 5 * 1024 * 1024
    #: Bytes of one attachment that is opened for its text, and how many are opened.
    attachment_bytes: int = 5 * 1024 * 1024
    attachments_opened: int = 10
    #: Bytes that a zipped document (docx, xlsx) may unfold to, and entries in it.
    unpacked_bytes: int = 8 * 1024 * 1024
    unpacked_entries: int = 500
    #: Pages of a PDF, drawing operations on one page, rows of a spreadsheet.
    pages: int = 10
    page_operations: int = 20_000
    rows: int = 1_000
    #: Cells of all tables of a text document.
    cells: int = 20_000
    #: Cells of all sheets of a spreadsheet; a million took 4.4 s.
    sheet_cells: int = 50_000
    #: Characters of text kept of one attachment.
    attachment_text: int = 64 * 1024
