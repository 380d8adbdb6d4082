"""The command of `deploy/postgres/meterloom-archive.conf`, as the server's shell runs it."""

import gzip
import re
import subprocess
from pathlib import Path

from tests.conftest import ROOT

CONF = ROOT / "deploy" / "postgres" / "meterloom-archive.conf"


def archived(archive: Path, segment: Path) -> bool:
    (command,) = re.findall(r"(?m)^archive_command = '(.*)'$", CONF.read_text())
    command = command.replace("/var/backups/meterloom-log", str(archive))
    command = command.replace("%p", str(segment)).replace("%f", segment.name)
    return subprocess.run(["sh", "-c", command], check=False, capture_output=True).returncode == 0


def test_a_segment_is_told_by_what_it_holds_whichever_gzip_wrote_it(tmp_path: Path) -> None:
    archive, segment = tmp_path / "the log", tmp_path / "pg wal" / "000000010000000000000001"
    segment.parent.mkdir()
    segment.write_bytes(b"log" * 1000)
    # A folder that is away: the server keeps its log.
    assert not archived(archive, segment)
    archive.mkdir()
    kept = archive / f"{segment.name}.gz"
    assert archived(archive, segment)
    assert gzip.decompress(kept.read_bytes()) == segment.read_bytes()
    assert archived(archive, segment)
    # Archived by a former version of the command or of gzip, and its word was lost: the log must not be kept for ever.
    kept.write_bytes(gzip.compress(segment.read_bytes(), 1, mtime=1))
    assert archived(archive, segment)
    assert [path.name for path in archive.iterdir()] == [kept.name]
    # Another server's, or cut off: nothing is written over.
    for other in (gzip.compress(b"another" * 1000), gzip.compress(b"log" * 1000)[:-20], b""):
        kept.write_bytes(other)
        assert not archived(archive, segment)
        assert kept.read_bytes() == other
