"""Encryption of private keys in a backup for one recipient: X25519, HKDF-SHA256 and ChaCha20-Poly1305."""

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from data_quality.contracts.errors import BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

# The form of a sealed file: this word, the sender's key of this one file, a nonce, and the encrypted bytes.
WORD = b"meterloom-sealed-1\n"
_KEY_BYTES, _NONCE_BYTES = 32, 12
HOW = "openssl genpkey -algorithm X25519 -out recipient.key; openssl pkey -in recipient.key -pubout -out recipient.pem"


def recipient_of(file: Path) -> "X25519PublicKey":
    """The public key in a PEM file. Raises BadInput for anything else."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(file.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise _no_key(file, "public") from error
    if not isinstance(key, X25519PublicKey):
        raise _no_key(file, "public")
    return key


def private_of(file: Path) -> "X25519PrivateKey":
    """The private key in a PEM file without a password. Raises BadInput for anything else."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _no_key(file, "private") from error
    if not isinstance(key, X25519PrivateKey):
        raise _no_key(file, "private")
    return key


def recipient_name(key: "X25519PublicKey") -> str:
    """Short name of a recipient's key that people can compare: SHA256 and 43 characters."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.public_bytes_raw()).digest()).decode().rstrip("=")


def seal_for(key: "X25519PublicKey", content: bytes, name: str) -> bytes:
    """The content, readable by the recipient alone and under that name alone."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    own, nonce = X25519PrivateKey.generate(), os.urandom(_NONCE_BYTES)
    sender = own.public_key().public_bytes_raw()
    encrypted = _cipher(own.exchange(key), sender).encrypt(nonce, content, name.encode())
    return WORD + sender + nonce + encrypted


def open_sealed(key: "X25519PrivateKey", sealed: bytes, name: str) -> bytes:
    """The content again. Raises BadInput for another key's, or another name's."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    start = len(WORD)
    sender, rest = sealed[start : start + _KEY_BYTES], sealed[start + _KEY_BYTES :]
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(sender))
        return _cipher(shared, sender).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], name.encode())
    except (InvalidTag, ValueError) as error:
        said = "is not encrypted for this key, or was altered"
        raise BadInput(f"{name} {said}", reason="wrong_key", mend="name the recipient's private key") from error


def _cipher(shared: bytes, sender: bytes) -> "ChaCha20Poly1305":
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # The sender's key is bound too: of one shared secret each file has a key of its own.
    return ChaCha20Poly1305(HKDF(SHA256(), _KEY_BYTES, salt=None, info=WORD + sender).derive(shared))


def _no_key(file: Path, kind: str) -> BadInput:
    return BadInput(f"expected an X25519 {kind} key (PEM)", file=str(file), reason="bad_key", mend=f"make one: {HOW}")
