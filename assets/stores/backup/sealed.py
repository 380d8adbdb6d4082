"""Encryption of private keys in a backup for one recipient: X25519, HKDF-SHA256 and ChaCha20-Poly1305."""

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from data_quality.contracts.errors import BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

# The form of a sealed file: this word, the sender's key of this one file, a nonce, and the encrypted bytes.
WORD = b"meterloom-sealed-1\n"
_KEY_BYTES, _NONCE_BYTES = 32, 12
HOW = "openssl genpkey -algorithm X25519 -out recipient.key; openssl pkey -in recipient.key -pubout -out recipient.pem"


class Recipient:
    """Somebody's public key, for whom files are encrypted. Raises BadInput for a PEM file that holds none."""

    def __init__(self, file: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            key = load_pem_public_key(file.read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise _no_key(file, "public") from error
        if not isinstance(key, X25519PublicKey):
            raise _no_key(file, "public")
        self._key = key

    @property
    def name(self) -> str:
        """Short name of the key that people can compare: SHA256 and 43 characters."""
        digest = hashlib.sha256(self._key.public_bytes_raw()).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def seal(self, content: bytes, name: str) -> bytes:
        """The content, readable by the recipient alone and under that name alone."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        own, nonce = X25519PrivateKey.generate(), os.urandom(_NONCE_BYTES)
        sender = own.public_key().public_bytes_raw()
        return WORD + sender + nonce + _cipher(own.exchange(self._key), sender).encrypt(nonce, content, name.encode())


class Opener:
    """The recipient's private key. Raises BadInput for a PEM file that holds none, or with a password."""

    def __init__(self, file: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise _no_key(file, "private") from error
        if not isinstance(key, X25519PrivateKey):
            raise _no_key(file, "private")
        self._key = key

    def open(self, sealed: bytes, name: str) -> bytes:
        """The content again. Raises BadInput for another key's, or another name's."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

        start = len(WORD)
        sender, rest = sealed[start : start + _KEY_BYTES], sealed[start + _KEY_BYTES :]
        try:
            shared = self._key.exchange(X25519PublicKey.from_public_bytes(sender))
            return _cipher(shared, sender).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:
            message = f"{name} is not encrypted for this key, or was altered"
            raise BadInput(message, reason="wrong_key", mend="name the recipient's private key") from error


def _cipher(shared: bytes, sender: bytes) -> "ChaCha20Poly1305":
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # The sender's key is bound too: of one shared secret each file has a key of its own.
    return ChaCha20Poly1305(HKDF(SHA256(), _KEY_BYTES, salt=None, info=WORD + sender).derive(shared))


def _no_key(file: Path, kind: str) -> BadInput:
    return BadInput(f"expected an X25519 {kind} key (PEM)", file=str(file), reason="bad_key", mend=f"make one: {HOW}")
