"""genai doctor: what this machine has, what genai would choose on it, and what is wrong, with a remedy."""

import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from threading import Thread
from typing import Annotated

from genai_cli import __version__
from genai_cli.atomic import find_existing
from genai_cli.cli.command import Command, Given
from genai_cli.cli.options import MessageOptions, NetworkOptions
from genai_cli.errors import DeviceError, GenaiError, InputError, ModelError, OutputError
from genai_cli.harmless import one_line
from genai_cli.hub.environment import TRUST_VARIABLE, may_have_token
from genai_cli.hub.fetching import is_offline
from genai_cli.request.option import Option

HUB_TIMEOUT = 2.0  # seconds
UNTRUSTED = f"which {TRUST_VARIABLE} does not name"
SHOWN = 3  # broken files that are named
EXIT_CODES = {
    "device": DeviceError.exit_code,
    "current folder": OutputError.exit_code,
    "settings": InputError.exit_code,
    "environment": InputError.exit_code,
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at; a problem comes with what mends it."""

    name: str
    value: str
    problem: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """What may be mended."""

    repair: Annotated[bool, Option("--repair", help="Remove broken and unfinished files from the cache.")] = False


def run_doctor(given: Given) -> int:
    """Print the findings; the exit code tells what is wrong.

    7: the device, 6: the current folder, 2: settings or environment, 4: anything else; the highest of several.
    """
    options, offline = given.read(MessageOptions), given.read(NetworkOptions).offline
    console = options.open_console()
    if given.read(DoctorOptions).repair:
        console.tell(f"removed {repair_cache()} broken or unfinished files from the cache")
    probe = HubProbe(offline)  # asks while the libraries below are imported
    problems: list[Finding] = []
    commands = given.list_commands()
    stated: list[Callable[[], Iterator[Finding]]] = [
        partial(settings, [command for command in commands if command.takes_settings]),
        partial(environment, commands),
    ]
    for check in (programs, device, worker, cache, folder, *stated, probe.findings):
        for finding in check():
            if finding.problem:
                problems.append(finding)
            if options.json:
                console.line(json.dumps(asdict(finding), ensure_ascii=False))
            else:
                console.line(f"{finding.name:<18} {one_line(finding.value)}".rstrip())
    for finding in problems:
        console.fail(GenaiError(f"{finding.name}: {finding.problem}", finding.remedy))
    if not problems:
        console.tell("nothing is wrong")
    return max((EXIT_CODES.get(finding.name, ModelError.exit_code) for finding in problems), default=0)


def programs() -> Iterator[Finding]:
    """genai, Python, and the libraries against the oldest versions that genai takes."""
    from packaging.requirements import Requirement

    yield Finding("genai", __version__)
    yield Finding("python", f"{platform.python_version()} on {platform.platform()}, {sys.executable}")
    for text in requires("genai-cli") or []:
        requirement = Requirement(text)
        if requirement.marker is not None:
            continue  # an extra
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield Finding(requirement.name, "missing", "is not installed", f"pip install '{requirement}'")
            continue
        old = not requirement.specifier.contains(found, prereleases=True)
        problem = f"{found} is older than {requirement.specifier}" if old else None
        yield Finding(requirement.name, found, problem, f"pip install --upgrade '{requirement}'" if old else None)


def device() -> Iterator[Finding]:
    """Device and dtype, each with its reason, and a torch that does not suit the machine."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: one of its shared libraries is missing
        yield Finding("device", "unknown", f"torch cannot be imported: {error}", "pip install --force-reinstall torch")
        return

    from genai_cli.device.bfloat16 import choose_dtype
    from genai_cli.device.machine import has_nvidia_driver
    from genai_cli.device.placement import find_devices, select_placement
    from genai_cli.device.threads import SMALL
    from genai_cli.device.workload import Burden, Work

    placement = select_placement("auto", "auto", asks_bfloat16=False)
    has_driver = has_nvidia_driver()
    problem = remedy = None
    if has_driver and not torch.cuda.is_available():
        if torch.version.cuda is None:
            problem = f"this machine has an NVIDIA driver, and torch {torch.__version__} is built for the CPU only"
            remedy = "install torch with CUDA: https://pytorch.org/get-started/locally/"
        else:
            problem = f"this machine has an NVIDIA driver, and torch for CUDA {torch.version.cuda} sees no GPU"
            remedy = "nvidia-smi shows whether the driver works and is new enough"
    name = f" ({torch.cuda.get_device_name()})" if placement.device == "cuda" else ""
    yield Finding("device", f"{placement.device}{name}: {placement.device_reason}", problem, remedy)
    yield Finding("devices", ", ".join(find_devices()))
    yield Finding("dtype", f"{placement.dtype}: {placement.dtype_reason}")
    if placement.device == "cpu":
        for work in Work:
            dtype, reason = choose_dtype(Burden(work, weights=SMALL))
            yield Finding(f"dtype of {work}", f"{dtype}: {reason}")


def worker() -> Iterator[Finding]:
    """The processes that keep models loaded."""
    from genai_cli.cli.worker import read_status

    try:
        found = [f"worker {status.process} with {len(status.models)} models" for status in read_status()]
    except DeviceError as error:
        yield Finding("worker", "none", error.message, "remove it; genai makes its own")
        return
    yield Finding("worker", ", ".join(found) or "none")


def cache() -> Iterator[Finding]:
    """Where models are kept, how much room they take and is left, and what there is broken."""
    from huggingface_hub import constants, get_token

    from genai_cli.hub.cache import find_broken_files, scan_cache
    from genai_cli.sizes import show_bytes

    place = Path(constants.HF_HUB_CACHE)
    existing = find_existing(place)
    held = scan_cache()
    locked = not is_writable(existing)
    yield Finding(
        "cache",
        f"{place}, {show_bytes(held.size_on_disk if held else 0)}",
        f"{existing} cannot be written, so no model can be fetched" if locked else None,
        "HF_HOME names another place" if locked else None,
    )
    yield Finding("free disk", show_bytes(shutil.disk_usage(existing).free))
    broken = [one_line(f"{path.relative_to(place)}: {why}") for path, why in find_broken_files(place)]
    count = f"{len(broken)} broken or unfinished files" if broken else None
    more = f" and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
    yield Finding(
        "cache entries",
        f"{count}: {', '.join(broken[:SHOWN])}{more}" if count else "whole",
        count,
        "genai doctor --repair removes them; what is missing is fetched again when it is needed" if count else None,
    )
    kept = "" if may_have_token(constants.ENDPOINT) else f"; not sent to {constants.ENDPOINT}, {UNTRUSTED}"
    yield Finding("token", f"present{kept}" if get_token() else "none")


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


def repair_cache() -> int:
    """Remove what is broken; what it belonged to is fetched again when it is next needed. Returns the count.

    Raises OutputError where the cache cannot be written.
    """
    from huggingface_hub import constants

    from genai_cli.hub.cache import find_broken_files
    from genai_cli.hub.intact import discard

    broken = list(find_broken_files(Path(constants.HF_HUB_CACHE)))
    try:
        for path, _ in broken:
            discard(path)
    except OSError as error:
        raise OutputError(f"the cache cannot be changed: {error.strerror}") from error
    return len(broken)


def folder() -> Iterator[Finding]:
    """Whether results can be written where the user is."""
    here = Path.cwd()
    locked = not is_writable(here)
    yield Finding(
        "current folder",
        f"{here}",
        "it cannot be written, so no result can be kept in it" if locked else None,
        "-o names another place" if locked else None,
    )


def settings(commands: Sequence[Command]) -> Iterator[Finding]:
    """The settings file, and what in it no command takes."""
    from genai_cli.cli.settings import check_settings, find_settings_file

    path = find_settings_file()
    problem = remedy = None
    try:
        check_settings(commands)
    except InputError as error:
        problem, remedy = error.message, error.hint or "mend it, or remove it"
    value = f"{path}" if path.is_file() else f"none ({path})"
    yield Finding("settings", value, problem, remedy)


def environment(commands: Sequence[Command]) -> Iterator[Finding]:
    """The variables that set options, and those that no option has."""
    from genai_cli.cli.variables import find_unknown_variables, list_set_variables

    unknown = list(find_unknown_variables(lambda: commands))
    yield Finding("environment", ", ".join(list_set_variables()) or "none", "; ".join(unknown) or None)


class HubProbe:
    """Asks whether the hub answers, in a thread: a name that is looked up in vain takes longer than any timeout.

    That it does not is no fault of this machine's, and no problem for what is cached.
    """

    def __init__(self, offline: bool) -> None:
        from huggingface_hub import constants

        self.endpoint = constants.ENDPOINT
        self.answer = f"not reachable (no answer in {HUB_TIMEOUT:.0f} s); built-in and cached models work"
        self.started = time.monotonic()
        self.thread: Thread | None = None
        if is_offline(offline):
            self.answer = "not asked (offline)"
            return
        self.thread = Thread(target=self.ask, daemon=True)
        self.thread.start()

    def ask(self) -> None:
        """One request, without a token."""
        from huggingface_hub.utils import get_session

        try:
            status = get_session().head(self.endpoint, timeout=HUB_TIMEOUT).status_code
            self.answer = f"reachable ({status})"
        except Exception as error:  # whatever it is, the hub cannot be reached
            self.answer = f"not reachable ({type(error).__name__}); built-in and cached models work"

    def findings(self) -> Iterator[Finding]:
        """What came of it by now, or in the time that is left."""
        if self.thread is not None:
            self.thread.join(max(0.0, self.started + HUB_TIMEOUT - time.monotonic()))
        yield Finding("hub", f"{self.endpoint}: {self.answer}")


COMMAND = Command(
    "doctor",
    "Show device, dtype, versions, cache and hub, and what is wrong with a remedy.",
    run_doctor,
    (DoctorOptions, NetworkOptions, MessageOptions),
)
