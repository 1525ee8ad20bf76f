"""What a ControlNet in a file is, told from its header and from the configuration beside it."""

from dataclasses import dataclass
from pathlib import Path

from genai_cli.hub.storage import read_json
from genai_cli.hub.weights_file import Header, read_header
from genai_cli.types import JsonObject

PLAIN, UNION = "ControlNetModel", "ControlNetUnionModel"
"""The classes of diffusers for one kind of map, and for several."""
TASKS = "task_embedding"
"""The tensor of a Union ControlNet with a row for each kind of map."""
HINT = "input_hint_block."
"""Names of the release begin so behind the prefix that a whole checkpoint gives them; those of diffusers do not."""
TEXT_INPUT = "attn2.to_k.weight"
MOST_LAYERS = 20
"""That read a map; the real ones have 8."""


@dataclass(frozen=True)
class ControlNetFile:
    """A ControlNet in a file."""

    stated: JsonObject
    """The configuration beside the file; empty where there is none, or it is that of something else."""
    is_union: bool
    is_original: bool
    """Whether its tensors have the names of the release, not those of diffusers."""
    text_width: int | None
    """How many features the text has that it reads; None where it reads none."""
    shapes: JsonObject
    """What its tensors say of the configuration that a UNet's does not say."""

    @property
    def class_name(self) -> str:
        """The class of diffusers that loads it."""
        return UNION if self.is_union else PLAIN


def describe_control_net(file: Path) -> ControlNetFile:
    """What a file with a ControlNet holds. Raises GenaiError where it is not a file of safetensors."""
    header = read_header(file)
    is_original = header.holds(HINT)
    text = next((tensor for name, tensor in header.tensors.items() if name.endswith(TEXT_INPUT)), None)
    return ControlNetFile(
        stated={} if is_original else read_stated(file.parent),
        is_union=TASKS in header.tensors,
        is_original=is_original,
        text_width=text.shape[1] if text is not None else None,
        shapes=read_shapes(header),
    )


def read_stated(folder: Path) -> JsonObject:
    """The configuration of a ControlNet in a folder; empty where that has none."""
    found = read_json(folder, "config.json") if (folder / "config.json").is_file() else {}
    return found if "ControlNet" in str(found.get("_class_name")) else {}


def read_shapes(header: Header) -> JsonObject:
    """The parts of a configuration that the shapes of tensors tell."""
    found: JsonObject = {"conditioning_embedding_out_channels": list_hint_channels(header)}
    if tasks := header.tensors.get(TASKS):
        kinds, channels = tasks.shape
        found |= {"num_control_type": kinds, "num_trans_channel": channels, "num_proj_channel": channels}
    return found


def list_hint_channels(header: Header) -> list[int]:
    """The channels of the layers that read a map: of the first, and of each that makes it smaller."""
    names = ["controlnet_cond_embedding.conv_in.weight"]
    names += [f"controlnet_cond_embedding.blocks.{place}.weight" for place in range(1, MOST_LAYERS, 2)]
    if header.holds(HINT):
        names = [f"{HINT}{place}.weight" for place in range(0, MOST_LAYERS, 4)]
    shapes = [next((it.shape for known, it in header.tensors.items() if known.endswith(name)), None) for name in names]
    return [shape[0] for shape in shapes if shape is not None]
