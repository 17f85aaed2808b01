"""More PDFs that are small and cost a careless reader much: by their fonts, forms, filters and tables of objects."""

import base64
import zlib
from collections.abc import Callable

from tests.support.hostile.builders import drawing, pages, relinked, stream

_FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]"
_FULL_MAP = b"1 beginbfrange\n<0000> <FFFF> <0000>\nendbfrange"


def filtered(filters: bytes, data: bytes, entries: bytes = b"") -> bytes:
    """Make a page whose content is *data* behind filters."""
    content = b"<<%b/Filter%b/Length %d>>stream\n%b\nendstream" % (entries, filters, len(data), data)
    return relinked(pages(b"").replace(stream(b""), content))


def mapped(text: bytes, character_map: bytes) -> bytes:
    """Make a page that shows *text* in a font with this character map."""
    made = pages(drawing(text), more=(stream(character_map),))
    return relinked(made.replace(b"/BaseFont/Helvetica", b"/BaseFont/Helvetica/ToUnicode 6 0 R"))


def _fonts(n: int) -> bytes:
    """Fonts of one page; each has the same small map, which fills a table of 65,536 characters."""
    count = n // 8_000
    fonts = tuple(b"<</Subtype/Type1/BaseFont/A%d/ToUnicode 6 0 R>>" % each for each in range(count))
    names = b"".join(b"/F%d %d 0 R" % (each, 7 + each) for each in range(count))
    made = pages(drawing(b"(a) Tj"), more=(stream(_FULL_MAP), *fonts))
    return relinked(made.replace(b"/Font<</F 3 0 R>>", b"/Font<</F 3 0 R%b>>" % names))


def _one_font(n: int) -> bytes:
    """One font under many names, in a form that is drawn a hundred times."""
    names = b"".join(b"/F%d 8 0 R" % each for each in range(n // 1_000))
    form = stream(drawing(b"(a) Tj"), _FORM + b"/Resources<</Font<<%b>>>>" % names)
    font = b"<</Subtype/Type1/BaseFont/A/ToUnicode 7 0 R>>"
    return pages(b"/X Do " * 100, resources=b"/XObject<</X 6 0 R>>", more=(form, stream(_FULL_MAP), font))


def _form_of_numbers(n: int) -> bytes:
    form = stream(b"1 2 3 4 5 " * (n // 5), _FORM + b"/Resources<<>>")
    return pages(b"/X Do " * 100, resources=b"/XObject<</X 6 0 R>>", more=(form,))


def _fields(n: int) -> bytes:
    """Fields beside which all words of the page stand."""
    count = min(n // 100, 500)
    widget = b"<</Subtype/Widget/FT/Tx/T(a)/V(b)/Rect[9 9 10 10]>>"
    words = b"".join(b"BT 1 9 Td (w%d) Tj ET " % each for each in range(min(n // 10, 6_000)))
    made = pages(words, more=(widget,) * count)
    annotations = b" ".join(b"%d 0 R" % (6 + each) for each in range(count))
    return relinked(made.replace(b"/MediaBox", b"/Annots[%b]/MediaBox" % annotations))


def _wrong_places(n: int) -> bytes:
    """Objects that are not where the table says, in a file that is long to search."""
    kids = b"".join(b"%d 0 R " % each for each in range(6, 6 + n // 40))
    made = relinked(pages(b"").replace(b"[4 0 R]", b"[%b]" % kids))
    head, tail = made[: made.index(b"xref\n")], made[made.index(b"trailer") : made.index(b"startxref")]
    rows = b"".join(b"%010d 00000 n \n" % (head.index(b"\n%d 0 obj" % each) + 1) for each in range(1, 6))
    head += b" " * (4 * n)
    table = b"xref\n0 %d\n0000000000 65535 f \n%b%b" % (6 + n // 40, rows, b"0000000009 00000 n \n" * (n // 40))
    return head + table + tail + b"startxref\n%d\n%%%%EOF" % len(head)


def _lost_objects(n: int) -> bytes:
    """Objects that are nowhere."""
    kids = b"".join(b"%d 0 R " % each for each in range(6, 6 + n // 40))
    return relinked(pages(b" " * n).replace(b"[4 0 R]", b"[%b]%b" % (kids, b" " * (4 * n))))


def _object_table(n: int) -> bytes:
    """A packed table of objects, all of them at the beginning of the file."""
    table = zlib.compress(b"\1\0\x09" * (4 * n), 9)
    head = b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
    entries = b"/Type/XRef/W[1 1 1]/Size %d/Root 1 0 R/Filter/FlateDecode/Length %d" % (4 * n, len(table))
    return head + b"9 0 obj\n<<%b>>stream\n%b\nendstream\nendobj\nstartxref\n%d\n%%%%EOF" % (entries, table, len(head))


def _packed_objects(n: int) -> bytes:
    """Objects in one stream, each of which is asked for."""
    count = n // 10
    numbers = b"".join(b"%d %d " % (10 + each, 4 * each) for each in range(count))
    kids = b"".join(b"%d 0 R " % (10 + each) for each in range(count))
    objects = [
        b"1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n",
        b"2 0 obj\n<</Type/Pages/Kids[%b]/Count 9>>\nendobj\n" % kids,
        b"3 0 obj\n%b\nendobj\n"
        % stream(numbers + b"<<>>" * count, b"/Type/ObjStm/N %d/First %d" % (count, len(numbers))),
    ]
    places = [9 + sum(map(len, objects[:each])) for each in range(3)]
    rows = b"".join(b"\1%b\0\0" % place.to_bytes(3, "big") for place in places)
    packed = b"".join(b"\2\0\0\3%b" % each.to_bytes(2, "big") for each in range(count))
    start = 9 + sum(map(len, objects))
    entries = b"/Type/XRef/W[1 3 2]/Index[1 3 10 %d]/Size %d/Root 1 0 R" % (count, 10 + count)
    table = b"4 0 obj\n%b\nendobj\n" % stream(rows + packed, entries)
    return b"%PDF-1.7\n" + b"".join(objects) + table + b"startxref\n%d\n%%%%EOF" % start


#: Name of a file → what makes it with a size; at 100,000 none is larger than about a megabyte.
HOSTILE_PDFS: dict[str, Callable[[int], bytes]] = {
    "fonts with full maps.pdf": _fonts,
    "one font of many names.pdf": _one_font,
    "brackets in a map.pdf": lambda n: mapped(b"(a) Tj", b"begincmap\n1 beginbfrange\n" + b"]" * (8 * n)),
    "long characters.pdf": lambda n: mapped(
        b"(%b) Tj" % (b"a" * (2 * n)), b"1 beginbfchar\n<61> <%b>\nendbfchar" % (b"0062" * 250)
    ),
    "a form of numbers.pdf": _form_of_numbers,
    "fields beside many words.pdf": _fields,
    "objects in wrong places.pdf": _wrong_places,
    "lost objects.pdf": _lost_objects,
    "a table of objects.pdf": _object_table,
    "packed objects.pdf": _packed_objects,
    "kerned letters.pdf": lambda n: pages(*[drawing(b"[" + b"(a)9" * (n // 25) + b"] TJ")] * 10),
    "groups of ascii85.pdf": lambda n: filtered(b"/ASCII85Decode", base64.a85encode(b"(a) Tj " * n) + b"~>"),
    "run lengths.pdf": lambda n: filtered(b"/RunLengthDecode", b"\xff1\xff " * (2 * n)),
    "damaged deflate.pdf": lambda n: filtered(b"/FlateDecode", b"x" * (9 * n)),
    "filters in filters.pdf": lambda n: filtered(
        b"[/FlateDecode/FlateDecode/ASCII85Decode]", zlib.compress(zlib.compress(b"z" * (20 * n), 9), 9)
    ),
}
