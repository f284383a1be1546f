"""What one look knows, and what it may ask for before it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hyperpod_software.model.cluster import Cluster, NodeTally, Reading
from hyperpod_software.model.decision import CountNodes, Finish, Patch, Wait
from hyperpod_software.model.image import Image
from hyperpod_software.model.state import Call, Progress


@dataclass(frozen=True)
class State:
    """Where a request stands when a look begins."""

    call: Call | None
    progress: Progress
    ends: float
    """When it stops waiting for what it waits for now (epoch seconds)."""
    first_look: bool
    """CloudFormation delivered it: mistakes are told at once."""
    may_call: bool
    """CloudFormation waits for the very operation that asked for the patch, or for none yet."""


@dataclass(frozen=True)
class Facts:
    """What is known in this look. What was not asked for is absent."""

    cluster: Cluster
    readings: tuple[Reading, ...] = ()
    """Of the nodes, before anything is patched."""
    tallies: Mapping[str, NodeTally] | None = None
    """Of the nodes, once the patch was called for."""
    operation_seen: bool = False
    """Whether CloudFormation takes back this one resource was looked up."""
    has_role: bool | None = None
    """CloudFormation works with a service role."""
    image_seen: bool = False
    image: Image | None = None
    """The declared custom AMI; ``None``: EC2 has none of that id."""


@dataclass(frozen=True)
class CheckOperation:
    """Look up whether CloudFormation takes back this one resource."""


@dataclass(frozen=True)
class CheckRole:
    """Look up whether CloudFormation works with a service role."""


@dataclass(frozen=True)
class CheckImage:
    """Look the declared custom AMI up."""

    image_id: str


Question = CountNodes | CheckOperation | CheckRole | CheckImage
"""It asks for one more fact."""
Action = Finish | Wait | Patch | Question
"""What to do next."""
