"""The one caller of from_pretrained: every checkpoint is loaded here, from local files, safetensors only."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from genai_cli.device.failures import explain_missing_package, first_line, is_from_library
from genai_cli.device.kept_weights import WeightKeeper, locate_kept, restore
from genai_cli.device.memory import describe_shortage
from genai_cli.device.placement import Placement, fit_hint
from genai_cli.device.private import watch_loading
from genai_cli.device.quantize import quantize_model
from genai_cli.device.single_file import find_pad_token, load_checkpoint, load_vae
from genai_cli.device.threads import SMALL
from genai_cli.errors import DeviceError, GenaiError, ModelError
from genai_cli.hub.fetching import ModelFiles
from genai_cli.hub.kept import read_about
from genai_cli.hub.single_file import LAYOUTS, VOCABULARY
from genai_cli.hub.storage import read_json
from genai_cli.hub.weights_file import read_header
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from torch import nn
    from transformers import BaseImageProcessor, PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin


def quiet_libraries() -> None:
    """Silence the notices and progress bars of the libraries: genai itself says what matters to a user."""
    warnings.filterwarnings("ignore")
    for name in ("huggingface_hub", "torch", "torchao", "accelerate"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()


def asks_bfloat16(files: ModelFiles) -> bool:
    """Whether the checkpoint names bfloat16 as its dtype, or stores its main weights in it. Only chosen files count."""
    if files.single is not None:
        return read_header(files.single).find_dtype() == "BF16"
    for part in (files.folder, files.folder / "transformer", files.folder / "unet"):
        weights = [file for file in files.weights if file.parent == part]
        config = part / "config.json"
        if weights and config.is_file():
            stated = read_json(files.folder, config.relative_to(files.folder).as_posix())
            if (stated.get("dtype") or stated.get("torch_dtype")) == "bfloat16" or stores_bfloat16(min(weights)):
                return True
    return False


def stores_bfloat16(file: Path) -> bool:
    """Whether the first tensor of a safetensors file is bfloat16; only the header is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as tensors:
            name = next(iter(tensors.keys()), None)
            return name is not None and tensors.get_slice(name).get_dtype() == "BF16"
    except SafetensorError as error:
        raise ModelError(f"{file.name} is broken: {error}", hint="download it again: genai models pull NAME") from None


def load_pipeline(files: ModelFiles, placement: Placement, unused: frozenset[str]) -> "DiffusionPipeline":
    """A diffusers pipeline of the class that model_index.json names, on its device, without the `unused` components."""
    from diffusers.utils.logging import disable_progress_bar
    from torch import nn

    disable_progress_bar()
    # A component that is null in the index must be passed as None too, unless the class calls it optional.
    stated = read_json(files.folder, "model_index.json")
    absent = [name for name, value in stated.items() if value == [None, None]]
    left_out: dict[str, object] = dict.fromkeys([*unused, *absent])
    if "safety_checker" in unused:
        left_out["requires_safety_checker"] = False
    if files.vae is not None:
        left_out["vae"] = load_vae(files, files.vae, placement).to(placement.device)
    if files.single is not None:
        parts = left_out | load_shared_tokenizers(files, stated)
        pipeline = load_checkpoint(files, files.single, placement, parts)
    else:
        pipeline = load_folder(files, placement, load_still_processors(files.folder, stated) | left_out)
    pipeline.set_progress_bar_config(disable=True)
    for part in pipeline.components.values():
        if isinstance(part, nn.Module):
            # diffusers leaves weights without values where it finds none.
            refuse_missing(files, type(part), {name for name, weight in part.named_parameters() if weight.is_meta})
            speed_up(part, files, placement)
    is_placed = placement.device == "cuda" and files.single is None
    return pipeline if is_placed else pipeline.to(placement.device)


def load_folder(files: ModelFiles, placement: Placement, parts: dict[str, object]) -> "DiffusionPipeline":
    """The pipeline in a folder; `parts` are components that come from elsewhere, or are left out."""
    from diffusers import DiffusionPipeline

    with hide_bare_names(files) as folder, refuse_missing_weights(files):
        return DiffusionPipeline.from_pretrained(
            folder,
            torch_dtype=placement.torch_dtype(),
            variant=files.variant,
            use_safetensors=True,
            local_files_only=True,
            device_map=placement.device if placement.device == "cuda" else None,  # to cuda without a copy on the CPU
            **parts,
        )


def load_still_processors(folder: Path, index: JsonObject) -> "dict[str, ProcessorMixin]":
    """The processors in a pipeline's folder that also know videos, by their components' names, without that part.

    It needs torchvision even to be made, and no pipeline for pictures uses it.
    """
    import transformers

    found = {}
    for name, value in index.items():
        class_name = str(value[1]) if isinstance(value, list) and value[:1] == ["transformers"] else ""
        kind = getattr(transformers, class_name, None) if class_name.endswith("VLProcessor") else None
        if kind is not None and "video_processor" in kind.get_attributes():
            found[name] = load_still_processor(folder / name, kind)
    return found


def load_still_processor(folder: Path, kind: "type[ProcessorMixin]") -> "ProcessorMixin":
    """A processor of pictures and words alone. Pictures are prepared with Pillow, which gives the same everywhere."""
    from transformers import AutoImageProcessor, AutoTokenizer

    parts = ["image_processor", "tokenizer"]
    still = type(kind.__name__, (kind,), {"get_attributes": classmethod(lambda _: parts)})
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    pictures = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True, trust_remote_code=False)
    processor: ProcessorMixin = still(pictures, tokenizer, chat_template=tokenizer.chat_template)
    return processor


def load_shared_tokenizers(files: ModelFiles, index: JsonObject) -> dict[str, object]:
    """The tokenizers of a single-file checkpoint, which share a vocabulary in the package."""
    from transformers import CLIPTokenizer

    found: dict[str, object] = {}
    for name in index:
        if name.startswith("tokenizer") and (pad := find_pad_token(files, name)):
            found[name] = CLIPTokenizer.from_pretrained(LAYOUTS / VOCABULARY, local_files_only=True, pad_token=pad)
    return found


@contextmanager
def refuse_missing_weights(files: ModelFiles, idle: str | None = None) -> Iterator[None]:
    """Raise ModelError where a model of transformers is loaded that lacks weights: its results would be random.

    Those of the part `idle`, which the caller does not use, may be missing.
    """

    def report(loaded: type, missing: set[str]) -> None:
        refuse_missing(files, loaded, {name for name in missing if idle is None or not name.startswith(f"{idle}.")})

    with watch_loading(report):
        yield


def refuse_missing(files: ModelFiles, loaded: type, missing: set[str]) -> None:
    """Raise ModelError if weights are missing."""
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(
            f"{files.reference.id} lacks weights of {loaded.__name__}: {min(missing)}{others}",
            hint="it was not trained for this task, or its files are not whole: choose another model",
        )


@contextmanager
def hide_bare_names(files: ModelFiles) -> Iterator[Path]:
    """The checkpoint's folder, or one of links to it without what has no dot in its name beside a component's files.

    To find a variant diffusers splits each name at its dots, and fails on LICENSE.
    """
    bare = [path for path in files.folder.glob("*/*") if "." not in path.name] if files.variant else []
    if not bare:
        yield files.folder
        return
    with TemporaryDirectory(prefix="genai-") as place:
        for path in files.folder.resolve().glob("*"):
            link = Path(place, path.name)
            if path.is_dir():
                link.mkdir()
                for file in path.glob("*"):
                    if "." in file.name:
                        (link / file.name).symlink_to(file)
            else:
                link.symlink_to(path)
        yield Path(place)


def load_model(class_name: str, files: ModelFiles, placement: Placement, idle: str | None = None) -> "PreTrainedModel":
    """A transformers model by the name of its (auto) class, on its device, in eval mode.

    `idle` names a part whose weights may be missing, as nothing uses it.
    """
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    kept = locate_kept(files, str(placement.quantize), placement.dtype) if may_keep(files, placement) else None
    if kept is not None and (model := load_kept(class_name, files, placement, kept)) is not None:
        speed_up(model, files, placement)
        return model.eval()
    with refuse_missing_weights(files, idle):
        # To cuda without a copy on the CPU.
        model = read_model(class_name, files, placement, placement.device if placement.on_cuda else None)
    if placement.quantize:
        keeper = WeightKeeper(files, str(placement.quantize), kept) if kept is not None else None
        quantize_model(model, placement, keeper)
    speed_up(model, files, placement)
    return model.to(placement.device).eval()


def read_model(class_name: str, files: ModelFiles, placement: Placement, device_map: str | None) -> "PreTrainedModel":
    """A transformers model as the library makes it: from safetensors on this machine, and with no code of the model."""
    import transformers

    return getattr(transformers, class_name).from_pretrained(
        files.folder,
        dtype=placement.torch_dtype(),
        variant=files.variant,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        device_map=device_map,
    )


def load_shell(class_name: str, files: ModelFiles, placement: Placement) -> "PreTrainedModel":
    """A transformers model without weights, on the CPU: for a model whose call another program answers."""
    import torch
    from torch import nn

    model = read_model(class_name, files, placement, "meta")
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            nothing = torch.empty(0, dtype=weight.dtype)
            module.register_parameter(name, nn.Parameter(nothing, requires_grad=False))
    return model.eval()


def load_part(class_name: str, files: ModelFiles, placement: Placement, folder: str = "") -> "PreTrainedModel":
    """A model that another one needs beside it, in a folder inside a model's, as `load_model` makes one."""
    import transformers

    with refuse_missing_weights(files):
        part = getattr(transformers, class_name).from_pretrained(
            files.folder / folder,
            dtype=placement.torch_dtype(),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    return part.to(placement.device).eval()


def may_keep(files: ModelFiles, placement: Placement) -> bool:
    """Whether the quantized weights of a model are kept: on a processor, and where reading them saves time."""
    return bool(placement.quantize) and placement.device == "cpu" and files.count_weight_bytes() >= SMALL


def load_kept(class_name: str, files: ModelFiles, placement: Placement, folder: Path) -> "PreTrainedModel | None":
    """A model with the quantized weights that an earlier run kept. None where there are none that can be used.

    The library makes the model as always and reads no weights.
    """
    if read_about(folder) is None:
        return None
    try:
        model = read_model(class_name, files, placement, "meta")
        restore(model, folder, share=not placement.compiled_by_torch)
    except Exception as error:  # whatever is wrong with them, the model's own files are there
        if describe_shortage(error) is not None:
            raise
        return None
    return model


def load_companion(class_name: str, files: ModelFiles) -> "PreTrainedTokenizerBase | ProcessorMixin":
    """What a transformers model needs beside it (a tokenizer, a processor), by the name of its auto class."""
    import transformers

    return getattr(transformers, class_name).from_pretrained(
        files.folder, local_files_only=True, trust_remote_code=False
    )


def load_image_processor(files: ModelFiles) -> "BaseImageProcessor":
    """What turns pictures into a model's input, with Pillow: the same on every machine, with torchvision or not."""
    import transformers

    return transformers.AutoImageProcessor.from_pretrained(
        files.folder, backend="pil", local_files_only=True, trust_remote_code=False
    )


def load_beside(class_name: str, file: Path, **options: object) -> "PreTrainedModel | BaseImageProcessor":
    """What transformers makes of the configurations and the weights beside a file, by the name of its auto class.

    Raises ModelError where weights are missing.
    """
    import transformers

    def refuse(loaded: type, missing: set[str]) -> None:
        if missing:
            raise ModelError(f"{file.parent.name} lacks weights of {loaded.__name__}: {min(missing)}")

    with watch_loading(refuse):
        return getattr(transformers, class_name).from_pretrained(
            file.parent, local_files_only=True, trust_remote_code=False, **options
        )


def load_processor_with_codec(
    files: ModelFiles, codec: ModelFiles | None, stated_in: str, named: JsonObject
) -> "ProcessorMixin":
    """A processor that brings a codec, from the codec's own files; None: from a folder inside the model's.

    What `named` says of the codec names its repository, which the library would look up itself. The library reads
    that from the file `stated_in` before all others.
    """
    import transformers

    folder = files.folder / str(named.get("audio_tokenizer_name_or_path")) if codec is None else codec.folder
    with TemporaryDirectory(prefix="genai-") as place, refuse_missing_weights(codec or files):
        for path in files.folder.resolve().glob("*"):
            if path.is_file() and path.suffix != ".safetensors" and path.name != stated_in:
                Path(place, path.name).symlink_to(path)
        changed = {**named, "audio_tokenizer_name_or_path": str(folder.resolve())}
        Path(place, stated_in).write_text(json.dumps(changed), encoding="utf-8")
        return transformers.AutoProcessor.from_pretrained(place, local_files_only=True, trust_remote_code=False)


def speed_up(part: "nn.Module", files: ModelFiles, placement: Placement) -> None:
    """Have a model, or a pipeline's part, multiply in the fastest way that torch has on the CPU.

    Small models stay as they are, since calling the layers takes most of their time. Compiled ones stay too: torch's
    compiler calls the same op itself and does not take a model that calls it.
    """
    if placement.device != "cpu" or placement.compiled_by_torch or files.count_weight_bytes() < SMALL:
        return
    import torch

    from genai_cli.device.onednn import use_onednn

    use_onednn(part)
    if hasattr(part, "decode") and all(weight.ndim < 5 for weight in part.parameters()):
        # A VAE of pictures (a video's has weights of five dimensions, which torch cannot turn): oneDNN takes large
        # pictures of few channels as they lie if the channels are innermost.
        part.to(memory_format=torch.channels_last)


@contextmanager
def explain_failures(files: ModelFiles, placement: Placement) -> Iterator[None]:
    """Raise ModelError (broken files, a missing package) or DeviceError (memory) for what the libraries raise.

    `LoadedModel` makes each instance of a modality within it, so that the functions above need no care of their own.
    """
    name = files.reference.id
    try:
        yield
    except GenaiError:
        raise
    except Exception as error:  # the libraries share no class: tokenizers raises Exception itself
        if describe_shortage(error) is not None:
            what = "try a smaller model, --dtype float16 or --device cpu"
            hint = fit_hint(what, placement.device, placement.dtype)
            raise DeviceError(f"{name} does not fit into the memory of {placement.device}", hint) from error
        if not (isinstance(error, OSError) or is_from_library(error)):
            raise
        if missing := explain_missing_package(f"model {name}", error):
            raise missing from error
        raise ModelError(
            f"model {name} could not be loaded: {first_line(error)}",
            hint="--debug shows where; its files may be broken",
        ) from error
