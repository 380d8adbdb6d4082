"""Filter of a table's rows: accepted rows, and rejected rows with their reason."""

import polars as pl

EXPECTED = {
    "bad_timestamp": "an ISO 8601 time",
    "nonexistent_local_time": "a local time that exists (summer time skips this one)",
    "ambiguous_local_time": "both passes of the repeated hour, or an offset",
    "not_a_number": "a finite number",
    "unknown_unit": "a known unit",
    "implausible": "a plausible amount",
    "duplicate_conflict": "one value per meter and time",
    "unknown_interval": "a regular step, or interval_minutes in a column map",
    "overlapping_interval": "rows that do not overlap",
    "future_timestamp": "a time that has been",
    "clock_suspect": "a time of a clock that was set",
    "negative_consumption": "no negative amount in a register that counts one way (net and value may hold one)",
}


class RowFilter:
    """Rows still good, and what was taken out so far."""

    def __init__(self, frame: pl.DataFrame, rejects: pl.DataFrame, warnings: dict[str, int]) -> None:
        self.frame, self.rejects, self.warnings = frame, [rejects], dict(warnings)

    def take(self, reason: str | pl.Expr, bad: pl.Expr, got: pl.Expr, expected: str = "") -> None:
        """Move rows where `bad` holds to the rejects."""
        # An unknown answer takes nothing out: filtering by it would lose the row without a reject.
        bad = bad.fill_null(value=False)
        code = pl.lit(reason) if isinstance(reason, str) else reason
        found = self.frame.filter(bad)
        if found.is_empty():
            return
        text = pl.lit(expected) if expected else code.replace_strict(EXPECTED, return_dtype=pl.String)
        self.rejects.append(
            found.select(
                source_line=pl.col("_line").cast(pl.Int64),
                reason=code.cast(pl.String),
                expected=text,
                got=got.cast(pl.String),
            )
        )
        self.frame = self.frame.filter(~bad)

    def warn(self, code: str, count: int) -> None:
        """Count something that a person should know of, where there is any of it."""
        if count:
            self.warnings[code] = self.warnings.get(code, 0) + count
