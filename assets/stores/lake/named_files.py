"""Files of the lake that somebody was told of: are they still there, and still those?"""

from collections.abc import Iterable

from assets.stores.lake.lake_files import is_as_written, sha256_of
from assets.stores.lake.lake_view import LakeFile
from assets.stores.lake.open_files import open_files
from data_quality.contracts.errors import Unreachable


def expect_unchanged(files: Iterable[LakeFile]) -> None:
    """Raises Unreachable naming a file that is gone, or is not the one that was named."""
    for file in files:
        if file.address and not is_as_written(file.path, file.sha256):
            # Not copied to this machine yet.
            root = file.path.parents[file.key.count("/")]
            open_files(root, file.address).refresh({file.key: file.sha256})
        try:
            sha256 = sha256_of(file.path)
        except OSError as error:
            raise Unreachable(f"the lake's file {file.path} cannot be read ({error.strerror})") from error
        if sha256 != file.sha256:
            raise Unreachable(f"the lake's file {file.path} was altered since this work was handed out")
