"""`make house`: the measures of the house, and the slowest tests of the last run."""

import json

from tests.house import measures

SLOWEST = measures.ROOT / "var" / "test_seconds.json"


def main() -> None:
    """Print every measure with its limit."""
    rooms = measures.lines_by_room()
    print(f"lines outside tests: {rooms.total():,} (aim 72,000)")
    for room, lines in rooms.most_common():
        print(f"  {lines:7,} {room}")
    print(f"comments: {measures.comment_share():.1%} of Python lines (aim 3 %)")
    _print("folders over 15 modules", [f"{count} {name}" for name, count in measures.crowded().items()])
    _print("modules over 25 imports of ours", [f"{count} {name}" for name, count in measures.broad().items()])
    _print("names shared", [f"{name}: {', '.join(each)}" for name, each in measures.shared_names().items()])
    _print("circles of files", [", ".join(each) for each in measures.circles_of_files()])
    _print("circles of folders", measures.circles_of_folders())
    if SLOWEST.exists():
        seconds = sorted(json.loads(SLOWEST.read_text()).items(), key=lambda each: -each[1])[:20]
        _print("slowest tests of the last run", [f"{value:6.1f} s {name}" for name, value in seconds])


def _print(what: str, found: list[str]) -> None:
    print(f"{what}: {len(found)}")
    for each in found:
        print(f"  {each}")


if __name__ == "__main__":
    main()
