"""What the handler works with outside of itself: one field for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hyperpod_software.adapters.cloudformation import Stack
from hyperpod_software.adapters.ec2 import Images
from hyperpod_software.adapters.eventbridge import Polling
from hyperpod_software.adapters.sagemaker import SageMaker
from hyperpod_software.adapters.state_store import ParameterStore


@dataclass(frozen=True)
class Services:
    """The AWS services, and the time (epoch seconds)."""

    store: ParameterStore
    sagemaker: SageMaker
    images: Images
    polling: Polling
    stack: Stack
    clock: Callable[[], float]
