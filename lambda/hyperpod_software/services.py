"""What the handler works with outside of itself: one field for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hyperpod_software.edges.images import Images
from hyperpod_software.edges.memory import ParameterStore
from hyperpod_software.edges.polling import Polling
from hyperpod_software.edges.sagemaker import SageMaker
from hyperpod_software.edges.stack import Stack


@dataclass(frozen=True)
class Services:
    """The AWS services, and the time (epoch seconds)."""

    store: ParameterStore
    sagemaker: SageMaker
    images: Images
    polling: Polling
    stack: Stack
    clock: Callable[[], float]
