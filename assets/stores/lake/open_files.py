"""The store of the lake's files, by its address, and the check that listed files are unchanged."""

from collections.abc import Iterable
from pathlib import Path

from assets.stores.lake.files import FileStore
from assets.stores.lake.lake_files import LakeFile, SeenFiles, is_as_written, sha256_of
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.work.project_cache import PLACES


def open_files(root: Path, address: str = "") -> FileStore:
    """The files of a folder; of a bucket (`s3://BUCKET/PREFIX`) that the folder holds copies of where an address is
    given. Raises Unreachable without the extra that a bucket needs.
    """
    if not address:
        return FileStore(root)
    try:
        from assets.stores.lake.bucket_files import BucketFiles
    except ImportError as error:
        raise Unreachable(
            f"{address}: the library for object storage is not installed: install meterloom with its extra, "
            "meterloom[s3]"
        ) from error
    return BucketFiles(root, address)


def expect_unchanged(files: Iterable[LakeFile]) -> None:
    """Raises Unreachable naming a file that is gone, or is not the one that was named."""
    kept, seen = dict[tuple[Path, str], FileStore](), SeenFiles(PLACES["lake_files"])
    for file in files:
        if file.address and not is_as_written(file.path, file.sha256, seen):
            # Not copied to this machine yet.
            place = (file.path.parents[file.key.count("/")], file.address)
            if place not in kept:
                kept[place] = open_files(*place)
            kept[place].refresh({file.key: file.sha256})
        try:
            sha256 = sha256_of(file.path, seen)
        except OSError as error:
            raise Unreachable(f"the lake's file {file.path} cannot be read ({error.strerror})") from error
        if sha256 != file.sha256:
            raise Unreachable(f"the lake's file {file.path} was altered since this work was handed out")
