"""How near the things in a picture are: the depth estimation of transformers."""

from typing import TYPE_CHECKING

from genai_cli.device.loading import load_beside
from genai_cli.device.placement import Placement

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

METRIC = ("depth_pro", "glpn", "zoedepth")
"""Kinds of models whose numbers grow with the distance; those of the others grow with the nearness."""


class DepthModel:
    """A model that estimates depth, on its device in float32: it is small, and its map is read by another model."""

    def __init__(self, file: "Path", placement: Placement) -> None:
        """Load it from the folder of its weights. Raises ModelError."""
        self.device = placement.device
        self.processor = load_beside("AutoImageProcessor", file, backend="pil")
        self.model = load_beside("AutoModelForDepthEstimation", file, use_safetensors=True).to(placement.device).eval()
        config = self.model.config
        is_metric = getattr(config, "depth_estimation_type", None) == "metric"
        self.grows_with_distance = is_metric or config.model_type in METRIC

    def estimate(self, pixels: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """How near each pixel of a picture (height, width, 3) is, in no unit: of shape (height, width)."""
        import numpy
        import torch

        values = self.processor(images=[pixels], return_tensors="pt").to(self.device)
        with torch.no_grad():
            output = self.model(**values)
        found = self.processor.post_process_depth_estimation(output, target_sizes=[pixels.shape[:2]])
        depth = numpy.asarray(found[0]["predicted_depth"].float().cpu().numpy(), numpy.float32)
        return -depth if self.grows_with_distance else depth
