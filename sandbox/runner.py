"""A whole sandbox: MiniStack, the simulated HyperPod, and the way between them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from sandbox import sdk
from sandbox.aws import environment
from sandbox.aws.images import ACCOUNT, IMAGES, PARAMETERS, REGION, Image
from sandbox.aws.ministack import MiniStack, MiniStackError
from sandbox.aws.server import HyperPodServer
from sandbox.aws.web import WebError
from sandbox.clusters import Description, defaults
from sandbox.control import Control
from sandbox.hyperpod import RELEASES, Faults, HyperPod, load_cluster
from sandbox.hyperpod.faults import SettingError
from sandbox.hyperpod.validate import ModelChecks

_QUALIFIER = "hnb659fds"
"""The CDK's own, which it gives the names of what it bootstraps."""

_BOOTSTRAP = 900
"""Seconds after which it is given up; on a machine at rest it takes some."""


class SandboxError(Exception):
    """The sandbox did not come up, or was asked for what cannot be; the message says why."""


class Sandbox:
    """A local AWS for as long as the `with` lasts.

    - `clusters`: what is there at first, as DescribeCluster would show it (default: an EKS cluster
      `ml` and a Slurm cluster `slurm-ml`).
    - `images`: AMIs besides those everybody has, which are in `sandbox.aws.images`.
    - `faults`: how awkward it is (see `sandbox.hyperpod.faults.Faults`); `faults["clusters"]` has
      settings of single clusters by name.
    - `speed`: seconds of the simulated service in one of ours (default 1).
    - `auth`: policies are enforced, also by the simulated service (default: they are not).
    - `bootstrap`: the CDK's bootstrap stack is there (default: it is not).
    - `minute`: how long a minute of an EventBridge rate() lasts, in seconds (default 60).
    - `pace`: seconds that pass for all of it in one of ours while CloudFormation waits for a custom
      resource and no function runs (default 1; `math.inf`: what comes next comes at once).
    - `seed`: of all chance in the simulated service (default 0).
    """

    def __init__(
        self,
        *,
        clusters: Sequence[Description] | None = None,
        images: Sequence[Image] = (),
        faults: Mapping[str, Any] | None = None,
        speed: float | None = None,
        auth: bool = False,
        bootstrap: bool = False,
        minute: float = 60.0,
        pace: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.auth = auth
        self.account = ACCOUNT
        self.region = REGION
        self._bootstraps = bootstrap
        self._minute = minute
        self._pace = pace
        self._seed = seed
        self._clusters = defaults() if clusters is None else list(clusters)
        self._more_images = tuple(images)
        self._own_faults: dict[str, Mapping[str, Any]] = {}
        self._faults = self._parsed(faults or {}, speed)
        self._stack = ExitStack()
        self._directory: Path | None = None
        self._server: HyperPodServer | None = None
        self._ministack: MiniStack | None = None

    def _parsed(self, faults: Mapping[str, Any], speed: float | None) -> Faults:
        own = dict(faults)
        clusters: Mapping[str, Mapping[str, Any]] = own.pop("clusters", {})
        if speed is not None:
            own["speed"] = speed
        try:
            failing = [i.id for i in (*IMAGES, *self._more_images) if i.fails]
            own["failing_amis"] = [*failing, *own.get("failing_amis", ())]
            parsed = Faults().changed(own)
            for name, changes in clusters.items():
                parsed.changed(changes)
                self._own_faults[str(name)] = changes
        except (SettingError, AttributeError, TypeError) as error:
            raise SandboxError(f"faults: {error}") from None
        return parsed

    # Coming and going

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it answers. Raises SandboxError, with nothing left."""
        try:
            with ExitStack() as stack:
                self._start(stack)
                self._stack = stack.pop_all()
        except (MiniStackError, WebError) as error:
            raise SandboxError(str(error)) from None

    def _start(self, stack: ExitStack) -> None:
        self._directory = directory = Path(tempfile.mkdtemp(prefix="hyperpod-sandbox-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        self.scratch.mkdir()
        hyperpod = HyperPod(
            rng=Random(self._seed),
            faults=self._faults,
            own_faults=self._own_faults,
            account=ACCOUNT,
            region=REGION,
        )
        self._server = server = HyperPodServer(hyperpod)
        server.start()
        stack.callback(server.stop)
        self._ministack = ministack = MiniStack(
            directory, server.url, auth=self.auth, minute=self._minute, pace=self._pace
        )
        stack.callback(ministack.stop)
        ministack.start()
        # The model is read while MiniStack starts: that takes a moment too.
        hyperpod.connect(alarms=ministack.in_alarm, images=ministack.image, checks=ModelChecks())
        ministack.wait_ready()
        authorizer = ministack.authorize if self.auth else None
        server.connect(ministack.deliver, authorizer, ministack.clock.now)
        ministack.add_images(self.images())
        ministack.add_parameters(PARAMETERS)
        for description in self._clusters:
            self._add(hyperpod, description)
        if self._bootstraps:
            self.bootstrap()

    def _add(self, hyperpod: HyperPod, description: Description) -> None:
        created = description.get("CreationTime")
        now = created.timestamp() if created is not None else 0.0
        cluster = load_cluster(
            description,
            rng=hyperpod.rng,
            now=now,
            releases=RELEASES,
            account=ACCOUNT,
            region=REGION,
        )
        hyperpod.add(cluster)

    def images(self) -> list[Image]:
        """The images everybody has, those asked for, and those the given clusters name."""
        known = [*IMAGES, *self._more_images]
        ids = {image.id for image in known}
        named = {
            str(group.get(which, ""))
            for description in self._clusters
            for group in description.get("InstanceGroups", [])
            for which in ("CurrentImageId", "DesiredImageId")
        }
        found = sorted(ami for ami in named - ids if ami.startswith("ami-"))
        return [*known, *(Image(ami, "works; named by a cluster") for ami in found)]

    def stop(self) -> None:
        """End everything; nothing stays, neither process nor port nor file."""
        self._stack.close()

    # Using

    @property
    def ministack(self) -> MiniStack:
        if self._ministack is None:
            raise SandboxError("the sandbox is not running")
        return self._ministack

    @property
    def server(self) -> HyperPodServer:
        if self._server is None:
            raise SandboxError("the sandbox is not running")
        return self._server

    @property
    def hyperpod_url(self) -> str:
        return self.server.url

    @property
    def ministack_url(self) -> str:
        return self.ministack.url

    @property
    def control(self) -> Control:
        return Control(self.hyperpod_url, self.ministack_url)

    @property
    def directory(self) -> Path:
        """Where all of it lies; it goes with the sandbox, also if this process is killed."""
        if self._directory is None:
            raise SandboxError("the sandbox is not running")
        return self._directory

    @property
    def scratch(self) -> Path:
        """A directory in there for processes that use the sandbox."""
        return self.directory / "scratch"

    @property
    def settings(self) -> dict[str, str]:
        """The variables a second terminal needs."""
        return {
            **environment.settings(self.ministack_url, self.hyperpod_url),
            # Else the CLI notes in the user's home which account the sandbox's keys belong to.
            "CDK_HOME": str(self.scratch / "cdk"),
        }

    @property
    def environment(self) -> dict[str, str]:
        """A whole environment for processes: this one's, scrubbed, with `settings` and a PATH.

        What they write without being told where goes into `scratch`.
        """
        return self.environment_from(os.environ)

    def environment_from(self, given: Mapping[str, str]) -> dict[str, str]:
        """The same, made from another environment than this process's."""
        return {
            **environment.scrubbed(given),
            **self.settings,
            "PATH": environment.tools_path(given),
            "TMPDIR": str(self.scratch),
        }

    def client(self, service: str, *, key: str = "test", secret: str = "test") -> Any:  # noqa: S107
        """A boto3 client of MiniStack; of the simulated service for `sagemaker`."""
        url = self.hyperpod_url if service == "sagemaker" else self.ministack_url
        return sdk.client(service, endpoint=url, region=REGION, key=key, secret=secret)

    def sagemaker(self) -> Any:
        """A boto3 client of the simulated HyperPod."""
        return self.client("sagemaker")

    def bootstrap(self) -> None:
        """`cdk bootstrap`, some seconds. Raises SandboxError."""
        command = ["cdk", "bootstrap", f"aws://{ACCOUNT}/{REGION}"]
        try:
            done = subprocess.run(
                command,
                # Away from any cdk.json: there is no app to look at.
                cwd=self.scratch,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_BOOTSTRAP,
                check=False,
            )
        except FileNotFoundError:
            raise SandboxError("the CDK CLI is not there: run `make setup`") from None
        except subprocess.TimeoutExpired:
            raise SandboxError("`cdk bootstrap` did not end within a quarter of an hour") from None
        if done.returncode:
            lines = (done.stdout + done.stderr).strip().splitlines()
            raise SandboxError("`cdk bootstrap` failed:\n" + "\n".join(lines[-15:]))
        if self.auth:
            # It refuses plain http, rightly, and there is nothing else on loopback.
            bucket = f"cdk-{_QUALIFIER}-assets-{ACCOUNT}-{REGION}"
            client = self.client("s3")
            try:
                client.delete_bucket_policy(Bucket=bucket)
            finally:
                client.close()
