"""What a custom resource answers with: attributes for outputs, and what happened."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final


class Attribute(StrEnum):
    """What every custom resource answers with, in the order in which a result carries them."""

    CLUSTER_ARN = "ClusterArn"
    OUTCOME = "Outcome"
    GROUPS = "PatchedInstanceGroups"
    NODES = "PatchedNodeCount"


HANDOVER: Final = "Handover"
"""The attribute that is the property of the next window: the patch that goes on, or its result."""


class Outcome(Enum):
    """How a request that succeeded ended."""

    PATCHED = "Patched"
    PATCHED_WITH_SKIPPED_NODES = "PatchedWithSkippedNodes"
    ALREADY_CURRENT = "AlreadyCurrent"
    NOTHING_TO_PATCH = "NothingToPatch"
    ADOPTED = "Adopted"
    ACCEPTED = "Accepted"
    PATCHING = "Patching"
    RESTORED = "Restored"
    LEFT_AS_IS = "LeftAsIs"


FAILED: Final = "Failed"
"""What is told in place of an outcome where it failed."""
