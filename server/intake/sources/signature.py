"""Checks the signature of an SNS message. Loaded only if a source needs it: cryptography takes 8 MB of memory."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from server.intake.sources.sns import ForgedError, SnsMessage

#: Hash by signature version. Version 1 uses SHA-1; a stranger cannot choose freely what is signed, and topics can be
#: set to version 2.
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303


def read_expiry(certificate: bytes) -> float:
    """Return until when *certificate* (PEM) is valid, in seconds since 1970. Raise ValueError if it cannot be read."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp()


def verify(message: SnsMessage, certificate: bytes) -> None:
    """Raise ForgedError unless *message* is signed with the key of *certificate* (PEM), which must be valid now."""
    algorithm = _HASHES.get(message.version)
    if algorithm is None:
        raise ForgedError("its signature has a version other than 1 and 2")
    try:
        known = x509.load_pem_x509_certificate(certificate)
        key = known.public_key()
    except ValueError:
        raise ForgedError("its certificate cannot be read") from None
    if not known.not_valid_before_utc <= datetime.now(UTC) <= known.not_valid_after_utc:
        raise ForgedError("its certificate is not valid now")
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < 2048:
        raise ForgedError("its certificate has no RSA key of 2048 bits or more")
    try:
        key.verify(message.signature, message.signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise ForgedError("its signature is wrong") from None
