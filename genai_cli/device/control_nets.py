"""ControlNets from a file of weights, with the configuration beside it, or with that of the UNet that they guide."""

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from genai_cli.device.failures import first_line
from genai_cli.device.memory import describe_shortage
from genai_cli.errors import GenaiError, ModelError
from genai_cli.hub.control_net_file import ControlNetFile, describe_control_net

if TYPE_CHECKING:
    from pathlib import Path

    from diffusers import ControlNetModel, UNet2DConditionModel


def load_control_net(file: "Path", name: str, unet: "UNet2DConditionModel") -> "ControlNetModel":
    """A ControlNet, where the UNet that it guides is. Raises ModelError where the two do not fit together."""
    net = describe_control_net(file)
    try:
        return read_control_net(file, net, unet).to(device=unet.device, dtype=unet.dtype).eval()
    except GenaiError:
        raise
    except Exception as error:  # the libraries share no class
        if describe_shortage(error) is not None:
            raise
        raise ModelError(
            f"the ControlNet {name} could not be loaded: {first_line(error)}",
            hint=None if net.stated else "it was made for another base model, or its config.json belongs beside it",
        ) from error


def read_control_net(file: "Path", net: ControlNetFile, unet: "UNet2DConditionModel") -> "ControlNetModel":
    """A ControlNet on the CPU, with the values of its file."""
    import diffusers
    import torch
    from safetensors.torch import load_file

    kind: type[ControlNetModel] = getattr(diffusers, net.class_name)
    with torch.device("meta"):
        config = net.stated or kind.from_unet(unet, load_weights_from_unet=False).config
        model = kind.from_config(dict(config), **net.shapes)
    tensors = load_file(file)
    if not net.is_original:
        model.load_state_dict(tensors, assign=True)
        return model
    with TemporaryDirectory(prefix="genai-") as place:
        model.save_config(place)
        try:
            converted: ControlNetModel = kind.from_single_file(tensors, config=place, local_files_only=True)
        except NotImplementedError:  # of torch, for weights without values
            raise ModelError(f"the ControlNet {file.name} lacks weights that one for this model has") from None
    return converted
