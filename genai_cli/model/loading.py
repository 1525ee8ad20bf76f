"""The one caller of from_pretrained: every checkpoint is loaded here, from files at hand, safetensors only."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from genai_cli.errors import DeviceError, ModelError
from genai_cli.model.device import Placement
from genai_cli.model.hub import ModelFiles
from genai_cli.model.quantize import quantize_model
from genai_cli.model.storage import read_json
from genai_cli.model.threads import SMALL, set_waiting

set_waiting()
# torch reads this when it first takes memory on the CPU: large pages for its tensors, where Linux has them. With small
# ones the decoder of Stable Diffusion takes 20 s instead of 15 for a picture of 512x512.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
# Both libraries set their loggers' levels when they are first imported, from these.
for variable in ("TRANSFORMERS_VERBOSITY", "DIFFUSERS_VERBOSITY"):
    os.environ.setdefault(variable, "critical")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def quiet_libraries() -> None:
    """Silence the notices and progress bars of the libraries below: what matters to a user, genai says itself."""
    warnings.filterwarnings("ignore")
    for name in ("huggingface_hub", "torch", "torch.utils._pytree", "torchao", "accelerate"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()


def asks_bfloat16(files: ModelFiles) -> bool:
    """Whether the checkpoint names bfloat16 as its dtype, or stores its main weights in it."""
    configs = [files.folder / name for name in ("config.json", "transformer/config.json", "unet/config.json")]
    for config in configs:
        if config.is_file():
            stated = read_json(files.folder, config.relative_to(files.folder).as_posix())
            if (stated.get("dtype") or stated.get("torch_dtype")) == "bfloat16" or stores_bfloat16(config.parent):
                return True
    return False


def stores_bfloat16(folder: Any) -> bool:
    """Whether the first tensor of a folder's safetensors is bfloat16; only the header is read."""
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="numpy") as tensors:
                name = next(iter(tensors.keys()), None)
                return name is not None and tensors.get_slice(name).get_dtype() == "BF16"
        except SafetensorError as error:
            raise ModelError(
                f"{file.name} is broken: {error}", hint="download it again: genai models pull NAME"
            ) from None
    return False


def load_pipeline(files: ModelFiles, placement: Placement, unused: frozenset[str]) -> Any:
    """A diffusers pipeline of the class that model_index.json names, on its device, without the `unused` components."""
    from diffusers import DiffusionPipeline
    from diffusers.utils.logging import disable_progress_bar

    disable_progress_bar()
    # A component that the index states as null is to be named as None too, unless the class calls it optional.
    stated = read_json(files.folder, "model_index.json")
    absent = [name for name, value in stated.items() if value == [None, None]]
    left_out: dict[str, Any] = dict.fromkeys([*unused, *absent])
    if "safety_checker" in unused:
        left_out["requires_safety_checker"] = False
    with loading(files, placement):
        pipeline = DiffusionPipeline.from_pretrained(
            files.folder,
            torch_dtype=placement.torch_dtype(),
            variant=files.variant,
            use_safetensors=True,
            local_files_only=True,
            device_map=placement.device if placement.device == "cuda" else None,  # straight there, without a copy here
            **left_out,
        )
        pipeline.set_progress_bar_config(disable=True)
        for part in pipeline.components.values():
            speed_up(part, files, placement)
        return pipeline if placement.device == "cuda" else pipeline.to(placement.device)


def load_model(class_name: str, files: ModelFiles, placement: Placement) -> Any:
    """A transformers model by the name of its (auto) class, on its device, in eval mode."""
    import transformers
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    with loading(files, placement):
        model = getattr(transformers, class_name).from_pretrained(
            files.folder,
            dtype=placement.torch_dtype(),
            variant=files.variant,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            device_map=placement.device if placement.on_cuda else None,  # straight there, without a copy here
        )
        if placement.quantize:
            quantize_model(model, placement)
        speed_up(model, files, placement)
        return model.to(placement.device).eval()


def load_companion(class_name: str, files: ModelFiles) -> Any:
    """What a transformers model needs beside it (a tokenizer, a processor), by the name of its auto class."""
    import transformers

    with loading(files, None):
        return getattr(transformers, class_name).from_pretrained(
            files.folder, local_files_only=True, trust_remote_code=False
        )


def speed_up(part: Any, files: ModelFiles, placement: Placement) -> None:
    """Have a model, or a pipeline's part that is one, multiply in the fastest way that torch has on the CPU.

    Small ones stay as they are, since the calls take most of their time, and compiled ones, since torch's compiler does
    not take what it calls itself.
    """
    from torch import nn

    from genai_cli.model.onednn import use_onednn

    takes = placement.device == "cpu" and not placement.compile and files.weight_bytes() >= SMALL
    if takes and isinstance(part, nn.Module):
        use_onednn(part)


@contextmanager
def loading(files: ModelFiles, placement: Placement | None) -> Iterator[None]:
    """Turn what can go wrong while loading into ModelError (broken files) or DeviceError (memory)."""
    import torch
    from safetensors import SafetensorError

    try:
        yield
    except torch.OutOfMemoryError as error:
        device = placement.device if placement else "cpu"
        raise DeviceError(
            f"{files.reference.id} does not fit into the memory of {device}",
            hint="try --dtype float16, or --device cpu",
        ) from error
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ImportError,
        RuntimeError,
        SafetensorError,
    ) as error:
        reason = str(error).strip().split("\n")[0][:300] or type(error).__name__
        raise ModelError(
            f"model {files.reference.id} could not be loaded: {reason}",
            hint="--debug shows where; its files may be broken",
        ) from error
