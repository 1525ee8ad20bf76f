"""What an exception of a library means for the user: whose fault it is, and what to do."""

import importlib.util
import re
import shlex
import sys
from collections.abc import Iterator
from types import FrameType

from genai_cli.errors import DeviceError, GenaiError, InputError, ModelError

# How the libraries name a package that is not installed, most exact first.
PACKAGE_PATTERNS = (
    re.compile(r"pip install (?:-\S+ )*([A-Za-z0-9][\w.\[\]-]*)"),
    re.compile(r"requires (?:the )?(?:\W )?([A-Za-z][\w -]*?) (?:library|package)"),
    re.compile(r"install the `?([A-Za-z0-9][\w.-]*)`?"),
)
# What a library or a module is called, and what pip calls it.
PIP_NAMES = {  # in lower case
    "beautiful soup": "beautifulsoup4",
    "cv2": "opencv-python",
    "google": "protobuf",
    "opencv": "opencv-python",
    "pil": "pillow",
    "pyav": "av",
    "pytorch": "torch",
    "sentencepiece": "sentencepiece",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "torchcodec": "torchcodec",
    "torchvision": "torchvision",
    "yaml": "pyyaml",
}
# Packages that the libraries miss with a ValueError. Its text may repeat what a checkpoint says: no other name counts.
MISSED_BY_VALUE = ("tiktoken", "sentencepiece", "protobuf", "mistral-common")
# What torch says if a device fails, or if it does not have an operation (in a dtype).
DEVICE_PHRASES = ("CUDA error", "CUDA driver", "cuDNN", "CUDNN_STATUS", "CUBLAS_STATUS", "MPS backend")
UNSUPPORTED = re.compile(r"(?:not (?:currently )?implemented for (?:the )?'?|Unsupported dtype |supported\. Got )(\w+)")
DTYPES = {"half": "float16", "bfloat16": "bfloat16", "float8_e4m3fn": "float8"}
# Errors that a prompt or an option can cause in a sound model: shapes, positions, what a class does not do.
CAUSED_BY_REQUEST = (ValueError, IndexError, RuntimeError)
LONGEST_REASON = 300


def first_line(error: BaseException) -> str:
    """The first line of an error's text, with the next where it ends in a colon; its class if it has no text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    return text[:LONGEST_REASON] or type(error).__name__


def is_from_library(error: BaseException, own: frozenset[str] = frozenset({"genai_cli"})) -> bool:
    """Whether a library raised the error: its innermost frame, apart from Python's own modules, is not in `own`."""
    for frame in walk_frames(error):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in own:
            return False
        if package and package not in sys.stdlib_module_names:
            return True
    return False


def walk_frames(error: BaseException) -> Iterator[FrameType]:
    """The frames that an error passed through, the innermost first."""
    frames, step = [], error.__traceback__
    while step is not None:
        frames.append(step.tb_frame)
        step = step.tb_next
    return reversed(frames)


def find_missing_package(error: BaseException) -> str | None:
    """What pip calls the package that a library misses, or None for an error of another kind."""
    text = " ".join(str(error).split())
    found = next((match[1] for pattern in PACKAGE_PATTERNS if (match := pattern.search(text))), None)
    if isinstance(error, ModuleNotFoundError) and error.name:
        module = error.name.partition(".")[0]
        # A module that a package should have and does not: the package is there, and of another version.
        return None if is_installed(module) else PIP_NAMES.get(module.lower(), module)
    if isinstance(error, ImportError) and found:
        return PIP_NAMES.get(found.lower(), found)
    if found not in MISSED_BY_VALUE:
        return None
    # transformers takes what it cannot read without sentencepiece for a file of tiktoken.
    return "sentencepiece" if found == "tiktoken" and not is_installed("sentencepiece") else found


def is_installed(module: str) -> bool:
    """Whether Python finds a module. Nothing is imported."""
    return importlib.util.find_spec(module) is not None


def explain_missing_package(name: str, error: BaseException) -> ModelError | None:
    """The error for a model that needs a package, with the command that installs it; None for another failure."""
    package = find_missing_package(error)
    if package is None:
        return None
    return ModelError(
        f"{name} needs the package {package}, which is not installed", hint=f"pip install {shlex.quote(package)}"
    )


def explain_device(error: BaseException, device: str) -> DeviceError | None:
    """The error for what a device, or a dtype on it, cannot do; None for another failure."""
    text = first_line(error)
    if isinstance(error, RuntimeError) and any(phrase in text for phrase in DEVICE_PHRASES):
        return DeviceError(f"{device} failed: {text}", hint="try --device cpu, or a smaller --batch-size")
    unsupported = UNSUPPORTED.search(text) if isinstance(error, RuntimeError) else None
    if unsupported is None:
        return None
    what = unsupported[1].lower()
    if what == "mps":
        return DeviceError(f"the model needs what mps does not have: {text}", hint="try --device cpu")
    if what in DTYPES:
        return DeviceError(f"{device} cannot do this in {DTYPES[what]}: {text}", hint="try --dtype float32")
    return None


def explain_run(error: Exception, name: str, device: str, own: frozenset[str]) -> GenaiError:
    """What an error means that came up while a loaded model ran. Exit 1 is for faults of genai alone."""
    reason = f"{type(error).__name__}: {first_line(error)}" if str(error).strip() else type(error).__name__
    if not is_from_library(error, own):
        return GenaiError(f"the model failed: {reason}", hint="--debug shows where; please report it")
    if known := explain_missing_package(name, error) or explain_device(error, device):
        return known
    if isinstance(error, NotImplementedError):
        return InputError(
            f"{name} does not support what is asked: {reason}",
            hint="leave out an option, or take another value (--scheduler, for example); --debug shows where",
        )
    if isinstance(error, CAUSED_BY_REQUEST):
        return InputError(
            f"the model failed: {reason}",
            hint=f"{name} does not take this prompt or one of its options: try others; --debug shows where",
        )
    return ModelError(
        f"the model failed: {reason}", hint="its files may be broken, or made for another version; --debug shows where"
    )
