"""Where the lake's files are kept, by its address."""

from functools import lru_cache
from pathlib import Path

from assets.stores.lake.files import FileStore
from data_quality.contracts.errors import Unreachable


# A client of a bucket costs its certificates to make; it is asked for with every look at the lake.
@lru_cache(maxsize=16)
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
