"""May this report be published? Pure: content in, reasons against it out; no reason means yes."""

from data_quality.contracts.finding import Finding
from reports.content.model import ReportContent


def publishable(content: ReportContent) -> list[Finding]:
    """Everything that stands against publication, the report's own blocking findings first."""
    against = [finding for finding in content.findings if finding.is_blocking]
    codes = {finding.code for finding in against}
    synthetic = [figure.figure_id for figure in content.figures if figure.is_synthetic]
    if (content.is_synthetic or synthetic) and "synthetic_data" not in codes:
        against.append(
            Finding(
                code="synthetic_data",
                message="The report rests on simulated readings.",
                severity="blocking",
                facts={"figures": len(synthetic)},
            )
        )
    if content.revision == 0:
        against.append(
            Finding(
                code="not_stored",
                message="The report has no stored revision, so nothing traces it.",
                severity="blocking",
            )
        )
    if content.status != "final" and not against:
        against.append(Finding(code="draft", message="The report is a draft.", severity="blocking"))
    return against
