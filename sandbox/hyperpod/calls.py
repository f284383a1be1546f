"""What was asked of the service, kept for whoever wants to count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ACCEPTED = "Accepted"


@dataclass(frozen=True, slots=True)
class Call:
    """One `UpdateClusterSoftware` as it arrived.

    `outcome` is `Accepted` or the code of the error it was refused with; `answer_lost` tells that
    the caller of an accepted call was never told. `nodes` counts the nodes it set out to replace.
    """

    time: float
    cluster: str
    caller: str
    parameters: dict[str, Any]
    outcome: str
    nodes: int = 0
    answer_lost: bool = False

    @property
    def accepted(self) -> bool:
        return self.outcome == ACCEPTED

    def as_json(self) -> dict[str, Any]:
        return {
            "Time": self.time,
            "Cluster": self.cluster,
            "Caller": self.caller,
            "Parameters": self.parameters,
            "Outcome": self.outcome,
            "Nodes": self.nodes,
            "AnswerLost": self.answer_lost,
        }
