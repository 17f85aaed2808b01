"""S/MIME mail whose content is inside its signature is read like other mail; encrypted mail says that it is."""

from base64 import encodebytes
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from tests.worker.reading.mails import HEAD
from worker.reading.limits import ReadingLimits
from worker.reading.mime.parts import MimeTree, parse_mime
from worker.reading.mime.signed_data import open_signed_data, read_content_info

CONTENT = b"Content-Type: text/plain; charset=utf-8\r\n\r\nPolicy Number: AB-12345\r\n"


@cache
def _identity() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Kim Ray")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return key, made.sign(key, hashes.SHA256())


def _signed() -> bytes:
    key, certificate = _identity()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(CONTENT).add_signer(certificate, key, hashes.SHA256())
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def _streamed() -> bytes:
    """Return the same in BER with open lengths and a content in pieces, as programs that stream write it."""
    pieces = b"".join(b"\x04" + bytes([len(part)]) + part for part in (CONTENT[:20], CONTENT[20:]))
    inner = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80" + pieces + b"\0\0\0\0\0\0"
    data = b"\x30\x80\x02\x01\x01\x31\x00" + inner + b"\x31\x00\0\0"
    return b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80" + data + b"\0\0\0\0"


def _enveloped() -> bytes:
    _, certificate = _identity()
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(CONTENT).add_recipient(certificate)
    return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def _mail(content: bytes, kind: str = "application/pkcs7-mime", name: str = "smime.p7m") -> bytes:
    head = f"{HEAD}Subject: Signed\r\nContent-Type: {kind}; name={name}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + encodebytes(content)


def _opened(raw: bytes) -> tuple[MimeTree, bool]:
    tree = parse_mime(raw, ReadingLimits())
    return tree, open_signed_data(tree, ReadingLimits())


@pytest.mark.parametrize("signed", [_signed, _streamed], ids=["DER", "BER"])
@pytest.mark.parametrize("kind", ["application/pkcs7-mime", "application/x-pkcs7-mime", "application/octet-stream"])
def test_the_content_inside_a_signature_takes_its_place(signed: object, kind: str) -> None:
    tree, encrypted = _opened(_mail(signed(), kind))  # type: ignore[operator]
    [inner] = tree.root.children
    assert (inner.type, inner.body().strip(), encrypted) == ("text/plain", b"Policy Number: AB-12345", False)


def test_a_signature_that_is_base64_twice_is_opened() -> None:
    assert read_content_info(encodebytes(_signed()))[1] == CONTENT


def test_encrypted_mail_says_so_and_stays_as_it_is() -> None:
    tree, encrypted = _opened(_mail(_enveloped()))
    assert (encrypted, tree.root.children, tree.root.type) == (True, [], "application/pkcs7-mime")
    assert _opened(HEAD.encode() + b"Content-Type: multipart/encrypted; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x--\r\n")[
        1
    ]


@pytest.mark.parametrize(
    "content", [b"", b"\x30", b"\x30\x80" * 50_000, b"0\x82\x01\x00\x06\t*\x86H\x86\xf7\r\x01\x07\x02"]
)
def test_a_broken_signature_costs_nothing(content: bytes) -> None:
    tree, encrypted = _opened(_mail(content))
    assert (tree.root.children, encrypted) == ([], False)


def test_signatures_inside_signatures_are_opened_three_times() -> None:
    content = CONTENT
    for _ in range(6):
        head = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        key, certificate = _identity()
        builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, hashes.SHA256())
        content = head + encodebytes(builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary]))
    tree, _ = _opened(HEAD.encode() + content)
    levels, part = 0, tree.root
    while part.children:
        levels, part = levels + 1, part.children[0]
    assert levels == 3
