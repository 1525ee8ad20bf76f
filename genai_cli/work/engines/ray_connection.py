"""Starts Ray on this machine, or connects to a cluster, and keeps it quiet."""

import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genai_cli.device.failures import first_line
from genai_cli.errors import DeviceError, Terminated

# Ray reads these when it is imported, and hands them on to the processes that it starts.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Messages about its processes are printed on the driver's stdout, whatever log_to_driver says, except those that
    # this pattern finds.
    "RAY_DEDUP_LOGS": "1",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
}
CONNECT_SECONDS = 10
OBJECT_STORE = 512 * 2**20  # bytes; results pass through it on their way to the writer
LONGEST_FOLDER = 30  # Ray puts sockets some 70 characters below its folder, and a socket's path ends at 107


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """The ray module, connected to the cluster at `address`, or to a Ray of our own with room for the workers.

    Raises DeviceError where there is no cluster, or Ray does not start.
    """
    os.environ.update(QUIET)
    with own_folder() as folder:
        if address is None:
            # Who may use a Ray may run any program on its machines: ours takes orders from this process alone.
            os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
            os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would make them slower than the local engine
            start = {"address": "local", "num_cpus": workers, "object_store_memory": OBJECT_STORE, "_temp_dir": folder}
        else:
            check_answers(address)
            os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # a port that is not Ray's: say so within a minute
            start = {"address": address}
        import ray

        try:
            initialize(ray, start)
            yield ray
        finally:
            ray.shutdown()


def initialize(ray: Any, start: dict[str, Any]) -> None:
    """ray.init without its messages, and with our own SIGTERM handler afterwards. Raises DeviceError."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with silent_stderr():
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL, **start)
    except SystemExit:  # Ray's handler of SIGTERM, while it was in force
        raise Terminated from None
    except Exception as error:
        raise cannot_connect(error, start["address"]) from error
    finally:
        signal.signal(signal.SIGTERM, handler)


def cannot_connect(error: Exception, address: str) -> DeviceError:
    """What a failed ray.init means for the user."""
    reason = first_line(error)
    if address == "local":
        return DeviceError(f"Ray does not start: {reason}", hint="--debug shows more")
    hint = "run genai on a machine of the cluster; there, ray status shows whether it runs"
    if "RAY_AUTH_MODE" in str(error.__cause__):
        reason = "it takes only those who have its token"
        hint = "set RAY_AUTH_MODE=token, with the cluster's token in ~/.ray/auth_token or RAY_AUTH_TOKEN"
    return DeviceError(f"no Ray cluster to be used at {address}: {reason}", hint)


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Ray's C++ parts write to stderr itself until their log files are open, when a cluster does not answer."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def check_answers(address: str) -> None:
    """Raise DeviceError where nothing listens at HOST:PORT: Ray itself would try for a minute."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise DeviceError(
            f"no Ray cluster answers at {address}: {error}", hint="ray start --head starts one, and says its address"
        ) from error


@contextmanager
def own_folder() -> Iterator[str]:
    """A folder for Ray's sockets and logs, removed afterwards."""
    usual = tempfile.gettempdir()
    short = usual if len(usual) <= LONGEST_FOLDER or not Path("/tmp").is_dir() else "/tmp"
    folder = tempfile.mkdtemp(prefix="genai-ray-", dir=short)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
