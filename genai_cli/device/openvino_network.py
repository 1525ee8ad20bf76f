"""A network of torch in OpenVINO's form: traced once, kept beside the model's files, and run on the processor.

Imported inside functions only: it loads torch and OpenVINO. Where such networks lie is the business of `hub/kept.py`.
"""

import gc
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from genai_cli.atomic import make_process_tag, replace_file
from genai_cli.device.call_form import CallForm
from genai_cli.device.compilers import OPENVINO, silence_reports
from genai_cli.device.kept_weights import find_version
from genai_cli.device.onednn import leave_onednn
from genai_cli.hub.fetching import ModelFiles
from genai_cli.hub.kept import (
    ABOUT,
    begin_keeping,
    build_kept_key,
    finish_keeping,
    locate_place,
    make_room,
    note_use,
    read_about,
    stamp_file,
)
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import openvino

LAYOUT = "1"  # raise it where what is kept changes
LIBRARIES = ("torch", "diffusers", "transformers", OPENVINO)
NETWORK = "network.xml"
# OpenVINO's names of a dtype: as a setting, and in the list of what a processor can do.
PRECISIONS = {torch.bfloat16: ("bf16", "BF16"), torch.float16: ("f16", "FP16")}
# How far a result may be from torch's, in parts of its root mean square. SD 1.5 in float32 is at 2e-5.
CLOSE = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 1e-2}


@cache
def load_openvino() -> "openvino.Core":
    """OpenVINO's own entry, which sends no report of its use."""
    silence_reports()
    import openvino

    return openvino.Core()


class Traced(nn.Module):  # type: ignore[misc]
    """A module whose call takes only tensors, in float32 where they are floats, and gives a tuple of them."""

    def __init__(self, module: nn.Module, form: CallForm, dtypes: Sequence[torch.dtype]) -> None:
        super().__init__()
        self.module = module
        self.form = form
        self.dtypes = dtypes
        self.single = False
        """Whether the call gave one tensor by itself; known after the first."""

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the module gives for tensors in the order of the form."""
        given = [tensor.to(dtype) for tensor, dtype in zip(tensors, self.dtypes, strict=True)]
        arguments, named = self.form.fill(given)
        made = self.module(*arguments, **named)
        self.single = not isinstance(made, tuple)
        return tuple(part.float() for part in ((made,) if self.single else made))


def widen(tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Tensors as OpenVINO gets them: numpy has no bfloat16."""
    return tuple(tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor for tensor in tensors)


@dataclass(frozen=True)
class KeptPlace:
    """Where the network of a part of a model is kept, and what is noted of it."""

    folder: Path
    about: JsonObject

    @classmethod
    def find(cls, files: ModelFiles, part: str, dtype: str, form: object) -> "KeptPlace":
        """That of a part in a dtype for calls of a form, which its `repr` tells from others."""
        reference = files.reference
        configs = [stamp_file(file) for file in sorted(files.folder.glob("*/config.json"))]
        vae = stamp_file(files.vae) if files.vae is not None else None
        made_by = [f"{name} {find_version(name)}" for name in LIBRARIES]
        key = build_kept_key(files, LAYOUT, part, dtype, repr(form), json.dumps([configs, vae]), *made_by)
        name = str(reference.folder.resolve()) if reference.folder else reference.id
        about: JsonObject = {"model": name, "revision": reference.revision, "quantize": f"{OPENVINO} {part} {dtype}"}
        return cls(locate_place(reference) / key, about)

    def keep(self, network: "openvino.Model", size: int, facts: JsonObject) -> bool:
        """Keep a network of so many bytes; False where it cannot be."""
        import openvino

        unfinished = None
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            if not make_room(self.folder.parent, size):
                return False
            unfinished = begin_keeping(self.folder.parent)
            openvino.save_model(network, unfinished / NETWORK, compress_to_fp16=False)
            sizes = {file.name: file.stat().st_size for file in unfinished.iterdir()}
            finish_keeping(unfinished, self.folder.name, {**self.about, **facts, "sizes": sizes, "checked": []})
        except (OSError, RuntimeError):
            if unfinished is not None:
                shutil.rmtree(unfinished, ignore_errors=True)
            return False
        return True

    def read(self) -> "tuple[openvino.Model, JsonObject] | None":
        """The network that is kept, its weights in a mapped file, and what is noted of it; None if it is not whole."""
        about = read_about(self.folder)
        if about is None:
            return None
        try:
            for name, size in dict(about["sizes"]).items():
                if (self.folder / name).stat().st_size != size:
                    return None
            network = load_openvino().read_model(self.folder / NETWORK)
        except (OSError, RuntimeError, KeyError, TypeError, ValueError):
            return None
        note_use(self.folder)
        return network, about

    def exists(self) -> bool:
        """Whether a network is kept there."""
        return read_about(self.folder) is not None

    def remove(self) -> None:
        """Remove the network that is kept there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def note_checked(self, shapes: str) -> None:
        """Note that results for tensors of these shapes are those of torch."""
        about = read_about(self.folder)
        if about is not None:
            checked = [*about.get("checked", []), shapes]
            with suppress(OSError):
                data = json.dumps({**about, "checked": checked}).encode()
                replace_file(self.folder / ABOUT, data, make_process_tag())


class Network:
    """A compiled network for calls of one form."""

    def __init__(self, module: nn.Module, form: CallForm, place: KeptPlace, tensors: Sequence[torch.Tensor]) -> None:
        """Read the network that is kept, or trace the module with a first call's tensors. Raises what OpenVINO does."""
        self.place = place
        self.dtype = next(module.parameters()).dtype
        found = place.read()
        self.is_new = found is None
        if found is None:
            found = convert(module, form, place, tensors)
        network, about = found
        self.single = bool(about["single"])
        self.checked = set(about.get("checked", []))
        self.request = compile_network(network, self.dtype).create_infer_request()

    def __call__(self, tensors: Sequence[torch.Tensor]) -> "torch.Tensor | tuple[torch.Tensor, ...]":
        """What the module gives for the tensors of a call."""
        given = {place: tensor.contiguous().numpy() for place, tensor in enumerate(widen(tensors))}
        made = self.request.infer(given, share_inputs=True, share_outputs=True)
        parts = tuple(torch.from_numpy(part).clone().to(self.dtype) for part in made.values())
        return parts[0] if self.single else parts

    def note_checked(self, shapes: str) -> None:
        """Note that results for tensors of these shapes are those of torch, for later runs too."""
        self.checked.add(shapes)
        self.place.note_checked(shapes)

    def is_close(self, made: object, wanted: object) -> bool:
        """Whether a result is that of torch, but for rounding."""
        if self.single:
            made, wanted = (made,), (wanted,)
        return all(
            ours.shape == theirs.shape
            and bool((ours.float() - theirs.float()).norm() <= CLOSE[self.dtype] * theirs.float().norm())
            for ours, theirs in zip(made, wanted, strict=True)  # type: ignore[call-overload]
        )


def convert(
    module: nn.Module, form: CallForm, place: KeptPlace, tensors: Sequence[torch.Tensor]
) -> "tuple[openvino.Model, JsonObject]":
    """The network of a module, kept where that can be done, and what is noted of it."""
    load_openvino()
    import openvino

    dtypes = [tensor.dtype for tensor in tensors]
    with torch.no_grad(), own_call(module), leave_onednn(module):
        plain = Traced(module, form, dtypes)
        traced = torch.jit.trace(plain, widen(tensors), check_trace=False, strict=False)
        network = openvino.convert_model(traced)
    facts: JsonObject = {"single": plain.single}
    size = sum(parameter.nbytes for parameter in module.parameters())
    if place.keep(network, size, facts):
        del plain, traced, network
        gc.collect()
        if (found := place.read()) is not None:
            return found
        raise RuntimeError("what was kept cannot be read")
    return network, facts


def compile_network(
    network: "openvino.Model", dtype: torch.dtype, more: Mapping[str, str] | None = None
) -> "openvino.CompiledModel":
    """A network made ready to run in a dtype, with as many threads as torch has; `more` are settings of OpenVINO's."""
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": choose_precision(dtype),
        "ENABLE_CPU_PINNING": False,  # which would bind two busy programs to the same cores
        **(more or {}),
    }
    return load_openvino().compile_model(network, "CPU", settings)


def choose_precision(dtype: torch.dtype) -> str:
    """OpenVINO's name of a dtype, or of float32 where this processor cannot compute in it."""
    setting, ability = PRECISIONS.get(dtype, ("f32", "FP32"))
    return setting if ability in load_openvino().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


@contextmanager
def own_call(module: nn.Module) -> Iterator[None]:
    """Have a module's own call in place of the one that was put there."""
    put = vars(module).pop("forward", None)
    try:
        yield
    finally:
        if put is not None:
            module.forward = put
