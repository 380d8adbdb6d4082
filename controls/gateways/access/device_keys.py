"""A command's proof of where it comes from: HMAC-SHA-256 with a key that one device and its agent share.

Keys lie in files that only their owner reads. Nothing here prints, logs or compares one in a way that tells of it.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

from data_quality.contracts.errors import BadInput

# The number names the form of what is proven: a changed form gets the next.
_DOMAIN = b"meterloom/cmd/1"
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_KEY_BYTES = 32


class DeviceKey:
    """The key of one device; it never leaves this object as text."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise BadInput(f"a device key has {_KEY_BYTES} bytes, this one {len(key)}", reason="bad_key")
        self._key = key

    def __repr__(self) -> str:
        return "DeviceKey(…)"

    def mac(self, topic: str, document: dict[str, Any]) -> str:
        """The proof of a command: hex over its topic and every field but `mac`."""
        text = b"\0".join((_DOMAIN, topic.encode(), canonical(document)))
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

    def is_from_us(self, topic: str, document: dict[str, Any]) -> bool:
        """True where the document carries the proof that belongs to it on this topic."""
        mac = document.get("mac")
        # In constant time: how long a wrong one takes must not tell how much of it is right.
        return isinstance(mac, str) and hmac.compare_digest(mac.encode(), self.mac(topic, document).encode())


def canonical(document: dict[str, Any]) -> bytes:
    """The one text of a document without its `mac`: keys sorted, no blanks, whole numbers without a point (RFC 8785).

    Both ends make it from what they parsed, so how a number was written on the way does not matter.
    """
    known = {key: _plain(value) for key, value in document.items() if key != "mac" and value is not None}
    return json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def device_key_path(folder: Path, device_id: str) -> Path:
    """Path of the key of a device. Raises BadInput for a name that is no file name."""
    if not _NAME.fullmatch(device_id):
        raise BadInput(f"{device_id!r} cannot name a key; expected letters a-z, digits, '_', '.', '-'")
    return folder / f"{device_id}.key"


def new_device_key(folder: Path, device_id: str) -> DeviceKey:
    """Make a key and write it (64 hex digits), readable by its owner alone. Raises BadInput where there is one."""
    path, key = device_key_path(folder, device_id), secrets.token_bytes(_KEY_BYTES)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        # Made with its rights and only where none is: at no moment open to others.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadInput(
            f"there is a key of device {device_id!r} already", file=str(path), mend="move it away first"
        ) from None
    with os.fdopen(file, "w") as out:
        out.write(key.hex() + "\n")
    return DeviceKey(key)


def find_device_key(folder: Path, device_id: str) -> DeviceKey | None:
    """The key of a device, or None where it has none. Raises BadInput: open to others, or no key."""
    path = device_key_path(folder, device_id)
    if not path.is_file():
        return None
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise BadInput(
            f"the key of device {device_id!r} can be read by others",
            file=str(path),
            reason="open_key",
            mend=f"chmod 600 {path}",
        )
    try:
        return DeviceKey(bytes.fromhex(path.read_text(encoding="utf-8").strip()))
    # Without its cause, which quotes the digits.
    except (ValueError, BadInput):
        raise BadInput(
            f"the key of device {device_id!r} must be {2 * _KEY_BYTES} hex digits", file=str(path), reason="bad_key"
        ) from None
