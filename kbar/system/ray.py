"""What Ray says of this process: whether it is one of its workers, whose trial it runs, and where its bars would go."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import warnings
from typing import Any

# Nothing here imports Ray: a process that has not imported it is none of its workers.


def in_worker() -> bool:
    """Whether Ray has started this process, to run tasks and actors."""
    with contextlib.suppress(Exception):  # it is half imported, shut down, or of another version
        ray: Any = sys.modules["ray"]
        return bool(ray.is_initialized() and ray.get_runtime_context().worker.mode == ray.WORKER_MODE)
    return False


def trial() -> str:
    """The id of the trial of Tune that this process runs; "" if there is none."""
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns if there is no trial
        return str(sys.modules["ray.tune"].get_context().get_trial_id() or "")
    return ""


@functools.cache  # a worker serves one driver all its life
def driver_shows_bars() -> bool:
    """Whether bars can be redrawn where the driver prints; True if that is unknown, as on another machine."""
    with contextlib.suppress(Exception):  # Ray is of another version, or this system has no /proc
        ray: Any = sys.modules["ray"]
        own_job = ray.get_runtime_context().get_job_id()
        job = next(job for job in ray._private.state.jobs() if job["JobID"] == own_job)
        if job["DriverIPAddress"] == ray.util.get_node_ip_address():
            folder = f"/proc/{job['DriverPid']}"
            with open(f"{folder}/cmdline", "rb") as file:
                command = file.read()
            error_stream = os.readlink(f"{folder}/fd/2")  # which Ray draws on, or else as a notebook's widgets
            return error_stream.startswith(("/dev/pts/", "/dev/tty")) or b"kernel_launcher" in command
    return True
