"""Runs Great Expectations on one frame and answers with a Verdict. The only place that imports the library."""

import os
from collections.abc import Sequence
from typing import Any

import polars as pl

from data_quality.contracts.finding import Verdict

MOST_NAMED = 20


def expectations() -> Any:
    """The expectation classes, without telemetry. The import takes seconds, so it stands here."""
    # Before the first import, when the library reads it: a check must call nobody.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    return gx.expectations


def validate(name: str, frame: pl.DataFrame, suite: Sequence[Any]) -> Verdict:
    """Let the library judge the frame by the suite.

    Facts: the number of expectations, and of each broken one a sentence with the count of unexpected values.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    # A bar for each expectation would fill the logs of every run.
    context.variables.progress_bars = {"globally": False}
    definition = (
        context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
    )
    # The library knows no polars frames; they come condensed to a row per stream or day, so the copy is small.
    batch = definition.get_batch({"dataframe": frame.to_pandas()})
    result = batch.validate(gx.ExpectationSuite(name=name, expectations=list(suite)))
    broken = [_sentence(one) for one in result.results if not one.success]
    return Verdict(
        passed=bool(result.success),
        facts={"suite": name, "expectations": len(result.results), "broken": broken[:MOST_NAMED]},
    )


def _sentence(one: Any) -> str:
    settings = one.expectation_config.kwargs
    what = settings.get("column") or settings.get("column_list") or settings.get("column_A") or "table"
    count = one.result.get("unexpected_count")
    if one.exception_info and one.exception_info.get("raised_exception"):
        detail = str(one.exception_info.get("exception_message"))
    else:
        detail = f"{count} unexpected, first {one.result.get('partial_unexpected_list', [])[:1]}"
    return f"{one.expectation_config.type} on {what}: {detail}"
