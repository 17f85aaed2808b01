"""Mails without files that cost a careless reader much time or memory. Each has a size *n*, to compare two."""

import random
from collections.abc import Callable

_HEAD = b"From: Ann <ann@client.example>\r\nSubject: A mail\r\nMessage-ID: <mail@client.example>\r\n"


def mail(body: str | bytes, kind: str = "text/plain; charset=utf-8", head: str = "") -> bytes:
    """Make a mail of one part; *head* has more header lines."""
    content = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
    return _HEAD + f"{head}Content-Type: {kind}\r\n\r\n".encode() + content


def html(markup: str) -> bytes:
    return mail(markup, "text/html; charset=utf-8")


def parts(*contents: bytes) -> bytes:
    """Make a mail of parts, each with its own headers."""
    return mail(b"".join(b"--b\r\n%b\r\n" % each for each in contents) + b"--b--", "multipart/mixed; boundary=b")


def _encoded(encoding: str, body: bytes) -> bytes:
    return mail(body, head=f"Content-Transfer-Encoding: {encoding}\r\n")


def _noise(n: int) -> bytes:
    return random.Random(n).randbytes(n)


def _numbered(n: int, form: str) -> str:
    return "".join(form.format(each) for each in range(n))


#: Name → what makes it with a size; at 100,000 each has about a megabyte.
HOSTILE_MAILS: dict[str, Callable[[int], bytes]] = {
    "references": lambda n: html("&" * (10 * n)),
    "references and stray end tags": lambda n: html("&</x>" * (2 * n)),
    "references and signs": lambda n: html("&< " * (3 * n)),
    "references in a title": lambda n: html("<title>" + "&" * (10 * n)),
    "references in a text area": lambda n: html("<textarea>" + "&" * (10 * n)),
    "references in a foreign style": lambda n: html("<svg><style>" + "&" * (10 * n)),
    "named references": lambda n: html("&amp;" * (2 * n)),
    "references without a semicolon": lambda n: html("&#x41" * (2 * n)),
    "attributes of body": lambda n: html(_numbered(n // 2, "<body a{}=1>")),
    "attributes of html": lambda n: html(_numbered(n // 4, "<html a{0}=1 b{0}=2 c{0}=3>")),
    "attributes of body, 199 a tag": lambda n: html(
        "".join(f"<body {' '.join(f'a{each}x{other}=1' for other in range(199))}>" for each in range(n // 2000))
    ),
    "attributes of one tag": lambda n: html("<p " + _numbered(n, "a{}=1 ") + ">"),
    "fonts in paragraphs": lambda n: html(_numbered(n // 2, "<p><font size={}>x")),
    "fonts, then paragraphs": lambda n: html(_numbered(299, "<font a{}=1>") + "<p>x" * (2 * n)),
    "formatting that ends in the wrong order": lambda n: html(
        "<b><i><u><s><font><a>" * 299 + "<p>x</b></i></u></s></font></a>" * (n // 4)
    ),
    "formatting that a sign of kelvin does not end": lambda n: html(
        _numbered(n // 4, "<p><strike a{}=1>x</stri\u212ae>")
    ),
    "links in paragraphs": lambda n: html(_numbered(n // 2, "<p><a href=http://{}.example/>x")),
    "links in tables": lambda n: html("<a><table>" * n),
    "levels": lambda n: html("<div>" * (2 * n)),
    "levels of lists": lambda n: html("<ul><li>" * n),
    "levels of quotes": lambda n: html("<blockquote><p>" * n),
    "levels of forms": lambda n: html("<form><div>" * n),
    "levels of spans in table cells": lambda n: html("<table>" + "<tr><td><span>" * (n // 2)),
    "levels after an empty comment": lambda n: html("<!-->" + "<div>" * (2 * n)),
    "levels after a comment in a title": lambda n: html("<title><!--</title>" + "<div>" * (2 * n)),
    "levels after a comment in a script": lambda n: html(
        "<script><!--<script></script><!-- </script>" + "<div>" * (2 * n)
    ),
    "levels after a comment in character data": lambda n: html("<svg><![CDATA[ > <!-- ]]>" + "<div>" * (2 * n)),
    "levels in a foreign style": lambda n: html("<svg><style>" + "<g>" * (2 * n)),
    "templates": lambda n: html("<template>" * n),
    "selects": lambda n: html("<select><option>" * (n // 2)),
    "foreign elements": lambda n: html("<svg><foreignObject><math><mi><svg>" * (n // 4)),
    "cells without rows": lambda n: html("<td>" * (2 * n)),
    "rows and cells": lambda n: html("<table>" + "<tr><td>x" * n),
    "text between rows": lambda n: html("<table>" + "<tr>x" * (2 * n)),
    "comments": lambda n: html("<!--" * (2 * n)),
    "signs": lambda n: html("<" * (10 * n)),
    "beginnings of tags": lambda n: html("<a" * (5 * n)),
    "open quotes in tags": lambda n: html("<a b='" * (n // 2)),
    "styles": lambda n: html(("<p style='" + "color:red;" * 1000 + "'>x") * (n // 1000)),
    "open brackets in a style": lambda n: html("<p style='" + "a:(" * (3 * n) + "'>x"),
    "hidden elements": lambda n: html("<p style='display:none'>x</p>" * (n // 3)),
    "images of the mail": lambda n: html("<img src=cid:a>" * (n // 2)),
    "blanks in preformatted text": lambda n: html("<pre>" + " " * (10 * n)),
    "plain text element": lambda n: html("<plaintext>" + "<b>" * (3 * n)),
    "lines of uuencode": lambda n: _encoded("x-uuencode", b"M\r\n" * (3 * n)),
    "short lines of uuencode": lambda n: _encoded("uuencode", b"#\n" * (5 * n)),
    "soft line ends": lambda n: _encoded("quoted-printable", b"=\r\n" * (3 * n)),
    "blanks in quoted-printable": lambda n: _encoded("quoted-printable", b" " * (10 * n)),
    "signs in base64": lambda n: _encoded("base64", b"=*" * (5 * n)),
    "noise in an unknown charset": lambda n: mail(_noise(10 * n), "text/plain; charset=unknown"),
    "noise without a charset": lambda n: mail(_noise(10 * n), "text/plain"),
    "noise in many parts": lambda n: parts(
        *[b"Content-Type: text/plain; charset=x\r\n\r\n" + _noise(n // 20) for _ in range(199)]
    ),
    "UTF-7": lambda n: mail(b"+AAAA-" * n, "text/plain; charset=utf-7"),
    "escapes of ISO-2022": lambda n: mail(b"\x1b$B\x1b(B" * n, "text/plain; charset=iso-2022-jp"),
    "labels": lambda n: mail("Policy Number: \n" * (n // 2)),
    "labels in a line": lambda n: mail("Policy Number Policy No Amount Due Date Phone " * (n // 5)),
    "dates": lambda n: mail("Effective date: 3 sierpnia 2025 3 mars 2025\nDue date: 1/2/3/4/5/6/7/8\n" * (n // 8)),
    "a long amount": lambda n: mail("Amount: 1" + ",111" * (2 * n)),
    "amounts": lambda n: mail("Amount: 1,250.00 USD total 1.250,00 EUR\n" * (n // 4)),
    "phones": lambda n: mail("Phone: " + "+1 212 555 0100 " * (n // 2)),
    "digits": lambda n: mail("1" * (10 * n)),
    "asterisks": lambda n: mail("*" * (10 * n)),
    "attributions": lambda n: mail("On 1\n" * (2 * n)),
    "attributions of blanks": lambda n: mail("On " + " " * (10 * n) + "wrote:"),
    "headers in the text": lambda n: mail("From: a\nSent: b\nTo: c\nSubject: d\n" * (n // 4)),
    "quotes": lambda n: mail("> a\n" * (2 * n)),
    "addresses": lambda n: mail("a@b." * (2 * n)),
    "colons": lambda n: mail(":\n" * (5 * n)),
    "tables": lambda n: mail("Policy\tAmount\tDate\n" + "a\tb\tc\n" * n),
    "data links": lambda n: mail("data:a/b" + ";a" * (4 * n)),
    "flowed lines": lambda n: mail("a \r\n" * (2 * n), "text/plain; format=flowed"),
    "marks of boundaries": lambda n: mail(b"--bX" * (2 * n), "multipart/mixed; boundary=b"),
    "parts": lambda n: parts(*[b"\r\nx"] * n),
    "levels of parts": lambda n: (
        _HEAD
        + b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (each, each) for each in range(n // 6)
        )
    ),
    "encoded words": lambda n: mail("hi", head=f"To: {'=?utf-8?q?a?= ' * n}\r\n"),
    "brackets in addresses": lambda n: mail("hi", head=f"To: {'(' * (5 * n)}\r\nCc: {'<' * (5 * n)}\r\n"),
    "parameters": lambda n: mail("hi", "text/plain" + "; a=b" * n),
    "ids": lambda n: mail("hi", head=f"References: {'<a@b> ' * n}\r\n"),
    "brackets in the date": lambda n: mail("hi", head=f"Date: {'(' * (5 * n)}\r\n"),
}
