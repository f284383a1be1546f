"""MiniStack ends with the process that started it, however that came to its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading


def end_with_parent() -> None:
    """Watch standard input; when it closes, end the process group and remove its directory."""
    # A duplicate is not inherited, so no function keeps it.
    watched = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    threading.Thread(target=_watch, args=(watched,), daemon=True, name="watchdog").start()


def _watch(watched: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(watched, 1):
            pass
    directory = os.environ.get("SANDBOX_DIRECTORY")
    if directory:
        # Removed from outside the group, once nobody is left in it who might write there.
        command = ["/bin/sh", "-c", 'sleep 0.3; rm -rf -- "$1"', "sh", directory]
        subprocess.Popen(command, start_new_session=True)
    if os.getpgrp() != os.getpid():
        # Not a group of its own but one it shares, such as a terminal's.
        os._exit(1)
    os.killpg(os.getpgrp(), signal.SIGKILL)
