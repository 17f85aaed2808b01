"""Strategies of hypothesis: mails of nested parts, trees of HTML, and changed bytes of valid inputs."""

from base64 import encodebytes
from quopri import encodestring

from hypothesis import strategies as st

_NAMES = (
    "From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Return-Path",
    "Auto-Submitted", "List-Id", "Authentication-Results", "X-Failed-Recipients", "Content-ID", "Delivered-To",
    "Content-Language", "X-Tubepost-Unread",
)  # fmt: skip
_VALUES = (
    b"Ann <ann@client.example>", b'"A, B" <a@b.example>, c@d.example', b"=?utf-8?b?S2lt?= <kim@firm.example>", b"<>",
    b"=?iso-2022-jp?b?GyRCfVVPGyhC?=", b"Gr\xfc\xdfe", "Grüße 😀".encode(), b"Mon, 2 Mar 2026 10:00:00 +0100", b"<a@b>",
    b"auto-replied", b"mx.example; dmarc=fail", b"undisclosed-recipients:;", b"a\x00b", b"Re: [SUB-2026-000042] x",
)  # fmt: skip
_TYPES = (
    "text/plain; charset=utf-8", "text/plain; format=flowed; delsp=yes", "text/html; charset=windows-1252", "text/html",
    "text/plain; charset=iso-2022-jp", "text/calendar; method=REQUEST", "message/delivery-status", "message/rfc822",
    "application/pdf", "application/zip", "application/ms-tnef", "image/png", "application/pkcs7-mime", "nonsense", "",
)  # fmt: skip
_WORDS = (
    b"Policy number: AB-12345\r\n",
    b"Due date:\t03/04/2026\r\n",
    b"Amount: (1,250.00) EUR\r\n",
    b"\r\n",
    b"> quoted\r\n",
    b"On 1 March 2026, Ann wrote:\r\n",
    b"-- \r\n",
    b"<p>Phone: +1 212 555 0100</p>",
    "Größe: 😀５\r\n".encode(),
    b"\xff",
    b"begin 644 a.txt\n#0V%T\n`\nend\n",
    b"%PDF-1.7\n",
    b"PK\3\4",
    b"BEGIN:VCALENDAR\r\n",
    b"<td>\t",
    b"=3D=\r\n",
    b" \x0b",
    "\u202e\u2028\u200d".encode(),
)
_TAG_NAMES = """
    p div span table tr td th b font a img br pre ul li h1 blockquote input textarea select option svg math style script
    template title iframe form body html head noscript object center
"""
_TAGS = _TAG_NAMES.split()
_ATTRIBUTES = (
    "style='display:none'",
    "style='font-size:0'",
    "style='font-size:12px;color:red'",
    "hidden",
    "dir=rtl",
    "colspan=3",
    "href='javascript:alert(1)'",
    "href='https://bank.example@evil.example/'",
    "href=' JaVa&#x0A;script:x'",
    "onclick=x",
    "src='cid:a'",
    "src='https://a.example/x.png'",
    "src='data:image/svg+xml,x'",
    "value='AB-1'",
    "checked",
    "type=hidden",
    "background='http://a.example'",
    "class='real-host'",
    "style='background:url(http://a.example)'",
    "selected",
)

_bodies = st.lists(st.sampled_from(_WORDS) | st.binary(max_size=12), max_size=8).map(b"".join)


@st.composite
def _headers(draw: st.DrawFn) -> bytes:
    names = draw(st.lists(st.sampled_from(_NAMES), max_size=5))
    values = (draw(st.sampled_from(_VALUES) | st.binary(max_size=20)) for _ in names)
    return b"".join(name.encode() + b": " + value + b"\r\n" for name, value in zip(names, values, strict=True))


@st.composite
def _leaves(draw: st.DrawFn) -> bytes:
    """A part that is no multipart; its encoding may be false."""
    body, kind = draw(_bodies), draw(st.sampled_from(_TYPES))
    encoding, make = draw(
        st.sampled_from(
            [
                (b"7bit", bytes),
                (b"base64", encodebytes),
                (b"quoted-printable", encodestring),
                (b"base64", bytes),
                (b"x-uuencode", bytes),
            ]
        )
    )
    head = (
        draw(_headers()) + b"Content-Type: " + kind.encode() + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n"
    )
    name = draw(st.none() | st.sampled_from(["a.pdf", "winmail.dat", "../a\u202e.zip", "b.csv", "c.ics", "smime.p7m"]))
    if name is not None:
        head += f'Content-Disposition: attachment; filename="{name}"\r\n'.encode()
    return head + b"\r\n" + make(body)


def _multipart(children: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda head, kind, parts, boundary, is_closed: (
            head
            + f"Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n".encode()
            + b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts)
            + f"--{boundary}--\r\n".encode() * is_closed
        ),
        _headers(),
        st.sampled_from(["mixed", "alternative", "related", "digest", "report; report-type=delivery-status", "signed"]),
        st.lists(children, max_size=4),
        st.sampled_from(["b", "bb", "c"]),  # one may begin as another one does
        st.booleans(),
    )


#: Raw mails of nested parts.
mails = st.recursive(_leaves(), _multipart, max_leaves=8)


def _element(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda tag, attributes, inside, is_closed: (
            f"<{' '.join([tag, *attributes])}>{''.join(inside)}" + f"</{tag}>" * is_closed
        ),
        st.sampled_from(_TAGS),
        st.lists(st.sampled_from(_ATTRIBUTES), max_size=3),
        st.lists(children, max_size=4),
        st.integers(0, 4).map(bool),
    )


#: Trees of HTML; some elements stay open.
pages = st.recursive(
    st.sampled_from(
        ["Policy", " 5 ", "&amp;", "&#0;", "\u00a0", "😀", "www.bank.example", "<!--", "-->", "]]>", "</x>"]
    ),
    _element,
    max_leaves=25,
)


@st.composite
def changed(draw: st.DrawFn, inputs: list[bytes]) -> bytes:
    """One of the *inputs* in which some bytes are replaced, left out, or repeated."""
    data = draw(st.sampled_from(inputs))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        new = draw(st.sampled_from([b"", b"\0", data[start:end] * 3]) | st.binary(max_size=6))
        data = data[:start] + new + data[end:]
    return data
