"""The entry point: what Lambda calls."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from hyperpod_software.adapters.budget import Budget, spending
from hyperpod_software.adapters.cloudformation import Stack
from hyperpod_software.adapters.ec2 import Images
from hyperpod_software.adapters.eventbridge import Polling, read_poll
from hyperpod_software.adapters.events import is_waiter
from hyperpod_software.adapters.response import put_answer
from hyperpod_software.adapters.sagemaker import SageMaker
from hyperpod_software.adapters.state_store import ParameterStore
from hyperpod_software.contract.names import DEFAULT_PREFIX, LOG_GROUP_VARIABLE, PREFIX_VARIABLE
from hyperpod_software.crhelper_adapter import SoftwareResource
from hyperpod_software.engine.invocation import FunctionInfo
from hyperpod_software.engine.reconciler import Reconciler
from hyperpod_software.engine.services import Services
from hyperpod_software.messages.response import body
from hyperpod_software.model.reply import Reply

Event = dict[str, Any]
Handler = Callable[[Event, Any], None]


def build(
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    put: Callable[[str, bytes], bool] = put_answer,
    chance: Callable[[], float] = random.random,
) -> Handler:
    """The handler, with the clock, the pauses, their lengths and the way out given."""
    store = ParameterStore(os.environ.get(PREFIX_VARIABLE, DEFAULT_PREFIX))
    reconciler = Reconciler(
        Services(store, SageMaker(), Images(), Polling(), Stack(), clock),
    )
    helper = _resource(reconciler, put)

    def handle(event: Event, context: Any) -> None:
        given = context.get_remaining_time_in_millis() / 1000
        with spending(Budget(given, clock=clock, sleep=sleep, chance=chance)):
            work(event, context)

    def work(event: Event, context: Any) -> None:
        poll = read_poll(event)
        if poll is None:
            helper(event, context)
            return
        memory = reconciler.recall(poll)
        if memory is not None:
            function = _function(context)
            look = partial(reconciler.look, poll.path, memory, function)
            helper.poll(memory.event or {}, context, look)

    return handle


def _resource(reconciler: Reconciler, put: Callable[[str, bytes], bool]) -> SoftwareResource:
    """What a reconciler does on Create, Update and Delete, as crhelper calls it."""

    def deliver(reply: Reply, context: Any) -> None:
        if put(reply.window.info.response_url, body(reply.response)):
            reconciler.responder.delivered(reply)
        else:
            reconciler.responder.undelivered(reply, _function(context))

    helper = SoftwareResource(deliver)

    @helper.create
    @helper.update
    def begin(event: Event, context: Any) -> Reply | None:
        take_up = reconciler.wait if is_waiter(event) else reconciler.begin
        return take_up(event, _function(context))

    @helper.delete
    def forget(event: Event, context: Any) -> Reply | None:
        return reconciler.forget(event, _function(context))

    # crhelper registers them by decorator; they are called through it only.
    del begin, forget
    return helper


def _function(context: Any) -> FunctionInfo:
    return FunctionInfo(
        function_arn=str(context.invoked_function_arn),
        log_group=os.environ.get(LOG_GROUP_VARIABLE) or str(context.log_group_name),
        region=os.environ.get("AWS_REGION", ""),
    )


handler = build()
"""CloudFormation's requests, and the polls of our own rules."""
