"""Whether SNS signed a message. Loaded only where a source needs it: cryptography takes 8 MB of memory."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from server.sources.sns import ForgedError, Message

#: By signature version. SHA-1 is what version 1 is made with; what it signs is not a stranger's to choose freely, and
#: topics can be set to version 2.
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303


def verify(message: Message, certificate: bytes) -> None:
    """Raises ForgedError unless *message* was signed with the key of *certificate* (PEM) while that is valid."""
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
        raise ForgedError("its certificate holds no RSA key of 2048 bits or more")
    try:
        key.verify(message.signature, message.signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise ForgedError("its signature is wrong") from None
