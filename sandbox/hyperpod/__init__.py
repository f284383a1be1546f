"""The simulated HyperPod: a pure state machine that is handed its time and its chance.

No HTTP, no thread and no clock in here. `HyperPod.call` answers one operation of the API at a given
time, `HyperPod.advance` lets time pass and returns the events that are due by then.
"""

from sandbox.hyperpod.calls import Call
from sandbox.hyperpod.errors import AnswerLostError, ServiceError
from sandbox.hyperpod.events import Event
from sandbox.hyperpod.faults import Faults, Refusal
from sandbox.hyperpod.load import load_cluster
from sandbox.hyperpod.service import RELEASES, HyperPod
from sandbox.hyperpod.updates import ImageFacts

__all__ = [
    "RELEASES",
    "AnswerLostError",
    "Call",
    "Event",
    "Faults",
    "HyperPod",
    "ImageFacts",
    "Refusal",
    "ServiceError",
    "load_cluster",
]
