"""Files in a bucket of object storage, with verified copies in a folder here; the only place that knows the library.

Credentials, region and endpoint come from the environment (AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL …).
"""

import hashlib
import os
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from assets.stores.lake.files import FileStore, StoredFile
from assets.stores.whole_file import appear_whole
from data_quality.contracts.errors import Unreachable

Answer = TypeVar("Answer")
ATTEMPTS = 6
AT_ONCE = 8
# By which a put knows its own file, whole or not, from another's.
MARK = "meterloom-put"


class _RetryError(Exception):
    """Content of the bucket other than what was sent: it is sent again."""


class BucketFiles(FileStore):
    """Files of `s3://BUCKET/PREFIX`; root: where the copies are. Every copy can be fetched again.

    pause_s: before the second attempt, doubled before each further.
    """

    rounds = 3

    def __init__(self, root: Path, address: str, *, pause_s: float = 0.2, timeout_s: float = 60) -> None:
        super().__init__(root)
        parts = urlsplit(address)
        self.address, self.pause_s = address.rstrip("/"), pause_s
        # An address without TLS is somebody's decision who wrote it down: a server of this machine, or of the hall.
        endpoints = [os.environ.get(f"AWS_ENDPOINT{end}", "") for end in ("", "_URL", "_URL_S3")]
        self._bucket = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={
                "allow_http": any(each.startswith("http://") for each in endpoints),
                "timeout": timedelta(seconds=timeout_s),
                "connect_timeout": timedelta(seconds=min(5, timeout_s)),
            },
            # Attempts are counted here: the library does not know what a lost answer to a put means.
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=timeout_s)},
        )

    def put_new(self, key: str, write: Callable[[Path], object]) -> str:
        """As on a disk, and read back from the bucket before it counts. Raises Unreachable, OurFault, OSError."""
        sha256 = super().put_new(key, write)
        self._send(key, sha256)
        return sha256

    def _send(self, key: str, sha256: str) -> None:
        token = uuid.uuid4().hex

        def put() -> None:
            # 412: ours whose answer was lost, or another's. 409: one beside is not done. What stands there tells.
            with suppress(AlreadyExistsError, PreconditionError):
                given = self.root / key
                obstore.put(self._bucket, key, given, mode="create", use_multipart=False, attributes={MARK: token})
            try:
                got = obstore.get(self._bucket, key)
                found = hashlib.sha256()
                for chunk in got:
                    found.update(chunk)
            except FileNotFoundError as error:
                raise _RetryError from error
            if found.hexdigest() == sha256:
                return
            if got.attributes.get(MARK) != token:
                raise self.taken(key)
            # Cut off on its way, there or back. No manifest names it yet.
            obstore.delete(self._bucket, key)
            raise _RetryError

        self._answer(put)

    def fetch(self, key: str, path: Path) -> str:
        """As on a disk."""

        def write(part: Path) -> None:
            with part.open("wb") as file:
                for chunk in obstore.get(self._bucket, key):
                    file.write(chunk)

        return self._answer(lambda: appear_whole(path, write))

    def refresh(self, wanted: Mapping[str, str]) -> bool:
        """Fetch what these are in the bucket: what is gone there is left out, what is altered comes altered."""

        def bring(key: str) -> None:
            try:
                # A body may be cut off on its way: once more, before it is said of the bucket.
                for _ in range(3):
                    if self.fetch(key, self.root / key) == wanted[key]:
                        return
            except FileNotFoundError:
                return

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(bring, wanted))
        return True

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """As on a disk, of the bucket."""
        found = self._answer(lambda: [each for part in obstore.list(self._bucket, prefix) for each in part])
        return (StoredFile(each["path"], each["size"], each["last_modified"]) for each in found)

    def size_bytes(self, key: str) -> int | None:
        """As on a disk, of the bucket."""
        try:
            return int(self._answer(lambda: obstore.head(self._bucket, key))["size"])
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        """From the bucket, and the copy."""
        super().delete(key)
        self._answer(lambda: obstore.delete(self._bucket, key))

    def move(self, key: str, to: str) -> None:
        """As on a disk, in the bucket; a copy stays here. What is taken away stands under its other key first."""
        self._send(to, self.fetch(key, self.root / to))
        self.delete(key)

    def note(self, key: str, content: bytes) -> None:
        """As on a disk, and read back."""

        def put() -> None:
            obstore.put(self._bucket, key, content, use_multipart=False)
            if bytes(obstore.get(self._bucket, key).bytes()) != content:
                raise _RetryError

        self._answer(put)

    def noted(self, key: str) -> bytes | None:
        """As on a disk."""
        try:
            return self._answer(lambda: bytes(obstore.get(self._bucket, key).bytes()))
        except FileNotFoundError:
            return None

    def reupload(self, key: str) -> None:
        """Put the copy in place of what stands in the bucket."""
        self._answer(lambda: obstore.delete(self._bucket, key))
        super().put_new(key, lambda part: part.write_bytes((self.root / key).read_bytes()))
        with (self.root / key).open("rb") as file:
            self._send(key, hashlib.file_digest(file, "sha256").hexdigest())

    def _answer(self, ask: Callable[[], Answer]) -> Answer:
        """The bucket's answer, with up to ATTEMPTS tries. Raises FileNotFoundError, Unreachable."""
        for attempt in range(ATTEMPTS):
            try:
                return ask()
            except (BaseError, FileNotFoundError, _RetryError) as error:
                if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                    raise
                if attempt == ATTEMPTS - 1 or _is_final(error):
                    raise self._fault(error) from error
                # Two that were refused for each other must not meet again.
                time.sleep(self.pause_s * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
        raise AssertionError

    def _fault(self, error: Exception) -> Unreachable:
        code = re.search(r"<Code>(\w+)</Code>", str(error))
        named = f" ({code[1]})" if code else ""
        if isinstance(error, FileNotFoundError):
            return Unreachable(f"{self.address}: there is no such bucket{named}: make it, or correct the address")
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return Unreachable(
                f"{self.address} refuses us{named}: look at the credentials in the environment, and at what they may "
                "do with the bucket: read, write, list and delete"
            )
        if isinstance(error, _RetryError):
            message = "does not keep what is sent to it: look at the network, and run this again"
            return Unreachable(f"{self.address} {message}")
        return Unreachable(
            f"{self.address} does not answer{named}: look at AWS_ENDPOINT_URL and the network, and run this again"
        )


def _is_final(error: Exception) -> bool:
    """True where a retry is of no use. Credentials that ran out may be renewed by their provider."""
    refused = isinstance(error, PermissionDeniedError | UnauthenticatedError) and "ExpiredToken" not in str(error)
    return refused or isinstance(error, FileNotFoundError)
