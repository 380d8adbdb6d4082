"""What a device told and nobody keeps for us, to the sink: what the spool does not take counts as one missing."""

from collections.abc import Sequence

from controls.gateways.sources.adapter import Sink
from controls.gateways.sources.tally import Tally
from data_quality.contracts.live.sample import Refusal, Sample


def hand_over(sink: Sink, source_id: str, tally: Tally, samples: Sequence[Sample], refusals: Sequence[Refusal]) -> None:
    """Give what came to the sink. A source of which nothing but refusals come is refused."""
    if not samples and not refusals:
        return
    received_utc = samples[-1].received_utc if samples else refusals[-1].received_utc
    tally.came(samples=len(samples), refusals=len(refusals), received_utc=received_utc)
    if not samples:
        tally.say("refused", refusals[0].reason)

    def done(is_kept: bool) -> None:
        if is_kept:
            tally.kept(len(samples))
        else:
            tally.say("behind", "the spool takes nothing now; what comes meanwhile is lost")
            tally.gaps(missing=int(bool(samples)))

    sink.take(source_id, samples, refusals, done)
