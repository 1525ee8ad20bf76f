"""ControlNets from a file of weights, with the configuration beside it."""

from typing import TYPE_CHECKING

from genai_cli.device.failures import first_line
from genai_cli.device.memory import describe_shortage
from genai_cli.errors import GenaiError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from diffusers import ControlNetModel


def load_control_net(file: "Path", name: str, device: "torch.device", dtype: "torch.dtype") -> "ControlNetModel":
    """A ControlNet on its device. Raises ModelError where the file and the configuration do not fit together."""
    import torch
    from diffusers import ControlNetModel
    from safetensors.torch import load_file

    try:
        with torch.device("meta"):
            model = ControlNetModel.from_config(ControlNetModel.load_config(file.parent, local_files_only=True))
        model.load_state_dict(load_file(file), assign=True)
        return model.to(device=device, dtype=dtype).eval()
    except GenaiError:
        raise
    except Exception as error:  # the libraries share no class
        if describe_shortage(error) is not None:
            raise
        raise ModelError(f"the ControlNet {name} could not be loaded: {first_line(error)}") from error
