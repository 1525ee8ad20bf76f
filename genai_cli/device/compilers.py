"""What a model can be compiled with: torch's own compiler, and OpenVINO, which is an extra. Loads neither."""

import sys
from importlib.util import find_spec

from genai_cli.errors import InputError

TORCH, OPENVINO = "torch", "openvino"
COMPILERS = (TORCH, OPENVINO)
INSTALL = "pip install 'genai-cli[openvino]'"
# What the package sends over the network when it is imported, and with each model that it converts, unless the user
# has refused. It does without this module where there is none.
REPORTS = "openvino_telemetry"


def check_compiler(compiler: str | None, device: str) -> None:
    """Raise InputError where OpenVINO is named and not installed, or with a device that it is not for."""
    if compiler != OPENVINO:
        return
    if device not in ("auto", "cpu"):
        raise refuse_device(device)
    if find_spec(OPENVINO) is None:
        raise InputError("--compiler openvino needs openvino, which is not installed", hint=INSTALL)


def refuse_device(device: str) -> InputError:
    """The error for a device on which genai does not run OpenVINO."""
    return InputError(f"--compiler openvino works on a cpu, and not on {device}", hint="--device cpu, or leave it out")


def silence_reports() -> None:
    """Keep OpenVINO from sending reports of its use. Called before each import of it."""
    sys.modules[REPORTS] = None  # type: ignore[assignment]  # Python's way to say that there is no such module
