"""A resource of ours with its waiters, as the construct declares them."""

from __future__ import annotations

from hyperpod_software.contract.properties import WAITER_TYPE
from hyperpod_software.contract.times import windows as windows_of
from tests.cloudformation.template import GetAtt, Resource, Template


def with_waiters(logical_id: str, resource: Resource) -> Template:
    """A chain of as many windows as the timeout needs."""
    properties = resource.properties
    timeout = str(properties.get("Timeout"))
    waits = properties.get("WaitForCompletion") != "false" and timeout.isdecimal()
    windows = windows_of(int(timeout)) if waits else 1
    chain = {logical_id: resource}
    for window in range(2, windows + 1):
        before = list(chain)[-1]
        name = "WaiterLast" if window == windows else f"Waiter{window}"
        its = {
            "ServiceToken": properties["ServiceToken"],
            "ServiceTimeout": "3600",
            "Resource": logical_id,
            "Window": str(window),
            "Handover": GetAtt(before, "Handover"),
        }
        chain[f"{logical_id}{name}"] = Resource(its, WAITER_TYPE)
    return chain
