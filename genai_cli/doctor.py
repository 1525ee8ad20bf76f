"""genai doctor: what this machine has, what genai would choose on it, and what is wrong, with a remedy."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from genai_cli import __version__
from genai_cli.console import Console, one_line
from genai_cli.errors import DeviceError, GenaiError, ModelError
from genai_cli.options import CommonOptions

HUB_TIMEOUT = 2.0  # seconds


@dataclass(frozen=True)
class Finding:
    """One thing looked at; a problem comes with what mends it."""

    name: str
    value: str
    problem: str | None = None
    remedy: str | None = None


def run_doctor(options: CommonOptions, repair: bool) -> int:
    """Print the findings; the exit code is 7 or 4 where something is wrong with the device or with the rest."""
    console = Console(quiet=options.quiet, verbose=options.verbose)
    if repair:
        console.tell(f"removed {repair_cache()} broken or unfinished files from the cache")
    problems: list[Finding] = []
    for check in (programs, device, cache, settings, lambda: hub(options.offline)):
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
        return 0
    return DeviceError.exit_code if any(finding.name == "device" for finding in problems) else ModelError.exit_code


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
    import torch

    from genai_cli.model.device import present_devices, select_placement

    placement = select_placement("auto", "auto", asks_bfloat16=False)
    has_driver = shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()
    problem = remedy = None
    if has_driver and not torch.cuda.is_available():
        problem = "this machine has an NVIDIA driver and torch does not see a GPU"
        remedy = "install torch with CUDA: https://pytorch.org/get-started/locally/"
    name = f" ({torch.cuda.get_device_name()})" if placement.device == "cuda" else ""
    yield Finding("device", f"{placement.device}{name}: {placement.device_reason}", problem, remedy)
    yield Finding("devices", ", ".join(present_devices()))
    yield Finding("dtype", f"{placement.dtype}: {placement.dtype_reason}")


def cache() -> Iterator[Finding]:
    """Where models are kept, how much room they take and is left, and what there is broken."""
    from huggingface_hub import constants, get_token

    from genai_cli.model.cache import list_models
    from genai_cli.models import show_bytes

    folder = Path(constants.HF_HUB_CACHE)
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    size = sum(model.size for model in list_models() if model.revision)
    writable = os.access(existing, os.W_OK | os.X_OK)
    problem = None if writable else f"{existing} cannot be written, so no model can be fetched"
    yield Finding(
        "cache", f"{folder}, {show_bytes(size)}", problem, None if writable else "HF_HOME names another place"
    )
    yield Finding("free disk", show_bytes(shutil.disk_usage(existing).free))
    broken = broken_files(folder)
    found = f"{len(broken)} broken or unfinished files" if broken else None
    yield Finding("cache entries", found or "whole", found, "genai doctor --repair removes them" if found else None)
    yield Finding("token", "present" if get_token() else "none")


def broken_files(folder: Path) -> list[Path]:
    """Names in the cache without a content, and contents that are not all there."""
    pointers = [path for path in folder.glob("models--*/snapshots/**/*") if path.is_symlink() and not path.exists()]
    return [*pointers, *folder.glob("models--*/blobs/*.incomplete")]


def repair_cache() -> int:
    """Remove what is broken; what it belonged to is fetched again when it is next needed. Returns the count."""
    from huggingface_hub import constants

    broken = broken_files(Path(constants.HF_HUB_CACHE))
    for path in broken:
        path.unlink(missing_ok=True)
    return len(broken)


def settings() -> Iterator[Finding]:
    """The settings file."""
    from genai_cli.settings import settings_file

    path = settings_file()
    yield Finding("settings", f"{path}" if path.is_file() else f"none ({path})")


def hub(offline: bool) -> Iterator[Finding]:
    """Whether the hub answers; that it does not is no fault of this machine's, and no problem for what is cached."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    from genai_cli.model.hub import is_offline

    if is_offline(offline):
        yield Finding("hub", f"{constants.ENDPOINT}: not asked (offline)")
        return
    try:
        status = get_session().head(constants.ENDPOINT, timeout=HUB_TIMEOUT).status_code
        yield Finding("hub", f"{constants.ENDPOINT}: reachable ({status})")
    except Exception as error:  # whatever it is, the hub cannot be reached
        yield Finding(
            "hub", f"{constants.ENDPOINT}: not reachable ({type(error).__name__}); built-in and cached models work"
        )
