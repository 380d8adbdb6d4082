"""Which model leads: a pure decision from two scores on the same folds (resolution C1.15)."""

from data_quality.contracts.control.forecast import BacktestScore
from data_quality.contracts.model import Model

# A week of common origins: fewer days say more about the weather of the week than about the models.
MIN_COMMON_FOLDS = 7


class Decision(Model):
    """Whether the challenger takes the alias, and why."""

    is_promoted: bool
    reason: str
    challenger: BacktestScore
    champion: BacktestScore | None


def decide(*, champion: BacktestScore | None, challenger: BacktestScore, has_champion: bool) -> Decision:
    """Promote a challenger that is strictly better than the champion on the same origins, by NRMSE.

    champion: its score on origins that it has not been trained on; None where there is no champion, or where no
    origin is new to it (has_champion tells them apart).
    """
    promoted, reason = _verdict(champion, challenger, has_champion)
    return Decision(is_promoted=promoted, reason=reason, challenger=challenger, champion=champion)


def _verdict(champion: BacktestScore | None, challenger: BacktestScore, has_champion: bool) -> tuple[bool, str]:
    if not has_champion:
        return True, f"No model leads yet; {challenger.model_name} has NRMSE {challenger.nrmse:.4f}."
    if champion is None or champion.folds < MIN_COMMON_FOLDS:
        folds = 0 if champion is None else champion.folds
        return False, f"Only {folds} days are new to the champion; {MIN_COMMON_FOLDS} are needed to compare."
    # Scores over other hours cannot be compared: a mild week is easier to forecast than a cold one.
    if champion.folds != challenger.folds or champion.n != challenger.n:
        return False, "The two scores do not come from the same hours."
    if challenger.nrmse < champion.nrmse:
        return True, f"NRMSE {challenger.nrmse:.4f} is below the champion's {champion.nrmse:.4f}."
    return False, f"NRMSE {challenger.nrmse:.4f} is not below the champion's {champion.nrmse:.4f}."
