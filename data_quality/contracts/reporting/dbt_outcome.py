"""Outcome of the dbt project's nodes in one build, whichever engine ran their SQL."""

from data_quality.contracts.model import Model


class NodeOutcome(Model):
    """Outcome of one dbt node: model, data test or unit test."""

    unique_id: str
    name: str
    resource_type: str
    status: str
    message: str
    execution_s: float
    failures: int = 0
    tested_model: str = ""


class DbtOutcome(Model):
    """Outcome of a dbt run. `is_success` is false as soon as one node failed."""

    is_success: bool
    nodes: tuple[NodeOutcome, ...]

    @property
    def failed(self) -> tuple[NodeOutcome, ...]:
        """Nodes that failed themselves, without those skipped after them."""
        return tuple(node for node in self.nodes if node.status in ("error", "fail", "runtime error"))

    @property
    def why(self) -> str:
        """Failures in one line."""
        return "; ".join(f"{node.name}: {node.message}" for node in self.failed) or "dbt failed"
