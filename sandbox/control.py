"""What tests, the demo and a second terminal ask a running sandbox, and set in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.aws.images import Image
from sandbox.aws.web import WebError, ask
from sandbox.waiting import PATIENCE, until


class ControlError(Exception):
    """A control call that was not understood or came to nothing; the message says why."""


class Control:
    """Control calls to the simulated HyperPod at `url`; images go to MiniStack at `ministack_url`."""

    def __init__(self, url: str, ministack_url: str | None = None) -> None:
        self._url = url
        self._ministack_url = ministack_url

    def _ask(self, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = ask(f"{self._url}/_sandbox/{name}", body or {})
        except WebError as error:
            raise ControlError(str(error)) from None
        return answer

    def _ask_ministack(self, name: str, body: Mapping[str, Any]) -> None:
        if self._ministack_url is None:
            raise ControlError("MiniStack's address is not known")
        try:
            ask(f"{self._ministack_url}/_sandbox/{name}", body)
        except WebError as error:
            raise ControlError(str(error)) from None

    # Looking

    def status(self) -> dict[str, Any]:
        """`Now`, `Speed`, `FailingAmis`, `Busy` and `Clusters`.

        Clusters are shown as they truly are, in the shape of DescribeCluster.
        """
        return self._ask("status")

    def describe(self, cluster: str) -> dict[str, Any]:
        """The true state of one cluster, however awkward its API is."""
        for description in self.status()["Clusters"]:
            if cluster in (description["ClusterName"], description["ClusterArn"]):
                found: dict[str, Any] = description
                return found
        raise ControlError(f"there is no cluster {cluster}")

    def calls(self, cluster: str | None = None, *, accepted: bool = False) -> list[dict[str, Any]]:
        """The UpdateClusterSoftware calls received, oldest first, or only the accepted ones.

        Each has `Time`, `Cluster`, `Caller`, `Parameters`, `Outcome` (`Accepted` or an error code),
        `Nodes` (how many it set out to replace) and `AnswerLost`.
        """
        calls: list[dict[str, Any]] = self._ask("calls", {"cluster": cluster})["Calls"]
        return [c for c in calls if c["Outcome"] == "Accepted"] if accepted else calls

    def operations(self) -> dict[str, int]:
        """How many calls of each operation came in."""
        counts: dict[str, int] = self._ask("operations")["Operations"]
        return counts

    def replacements(self, cluster: str) -> dict[str, dict[str, int]]:
        """How often each node was replaced: group → instance id → times."""
        answer: dict[str, dict[str, int]] = self._ask("replacements", {"cluster": cluster})[
            "Replacements"
        ]
        return answer

    def replaced(self, cluster: str) -> dict[str, int]:
        """How many replacements there were in each group."""
        return {group: sum(n.values()) for group, n in self.replacements(cluster).items()}

    # Setting

    def set(self, cluster: str | None = None, **faults: Any) -> None:
        """Change settings (see `sandbox.hyperpod.faults.Faults`) of the run or of one cluster.

        What is named is replaced, lists as a whole.
        """
        self._ask("set", {"cluster": cluster, "faults": faults})

    def reset(self) -> None:
        """Back to the settings the sandbox was started with; the speed stays."""
        self._ask("reset")

    def forget(self) -> None:
        """Begin the list of calls anew."""
        self._ask("forget")

    def add(self, description: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> str:
        """Add a cluster in the shape of a DescribeCluster answer; its ARN."""
        plain = {
            k: v.astimezone(UTC).isoformat() if isinstance(v, datetime) else v
            for k, v in description.items()
        }
        return str(self._ask("add", {"description": plain, "tags": dict(tags or {})})["ClusterArn"])

    def vanish(self, cluster: str) -> None:
        self._ask("vanish", {"cluster": cluster})

    def scale(self, cluster: str, group: str, count: int) -> None:
        """Somebody else scales a group."""
        self._ask("scale", {"cluster": cluster, "group": group, "count": count})

    def patch(self, **parameters: Any) -> None:
        """Somebody else calls UpdateClusterSoftware with these parameters."""
        self._ask("patch", {"parameters": parameters})

    def set_pace(self, pace: float) -> None:
        """Let so many seconds pass in one of ours while everything waits."""
        self._ask_ministack("pace", {"pace": pace})

    def add_images(self, images: Iterable[Image]) -> None:
        """Let EC2 know further AMIs, and the service which of them fail."""
        images = list(images)
        self._ask_ministack("images", {"images": [image.as_json() for image in images]})
        failing = [image.id for image in images if image.fails]
        if failing:
            self.set(failing_amis=[*self.status()["FailingAmis"], *failing])

    # Waiting

    def wait(
        self, wanted: Callable[[dict[str, Any]], bool], cluster: str, *, timeout: float = PATIENCE
    ) -> dict[str, Any]:
        """Look at a cluster until it is as wanted; its description. `timeout` in seconds."""
        description: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            nonlocal description
            description = self.describe(cluster)
            return description if wanted(description) else None

        try:
            return until(look, cluster, patience=timeout, every=0.05)
        except TimeoutError:
            reason = f"{cluster} is not as wanted after {timeout:g} s: {description}"
            raise ControlError(reason) from None

    def wait_idle(self, *, timeout: float = PATIENCE) -> None:
        """Wait until nothing is under way anywhere."""
        try:
            until(lambda: None if self.status()["Busy"] else True, "rest", patience=timeout)
        except TimeoutError:
            raise ControlError(f"still busy after {timeout:g} s") from None
