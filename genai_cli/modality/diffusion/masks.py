"""Which part of a picture an edit changes: soft edges, latents that are kept, and a picture put together of two."""

from typing import TYPE_CHECKING

from genai_cli.modality.diffusion.regions import Box

if TYPE_CHECKING:
    import numpy as np
    from diffusers import DiffusionPipeline, SchedulerMixin
    from numpy.typing import NDArray
    from torch import Tensor

FULL = 255  # of a mask, where all of a pixel changes


def find_box(mask: "NDArray[np.uint8]") -> Box | None:
    """The smallest box that holds all that a mask changes; None where it changes nothing."""
    import numpy

    rows, columns = (numpy.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def feather_mask(mask: "NDArray[np.uint8]", pixels: float) -> "NDArray[np.uint8]":
    """A mask that begins to change at its edge and changes all so many pixels inside: nothing outside it changes."""
    import numpy
    from PIL import Image, ImageFilter

    if pixels <= 0:
        return mask
    blurred = numpy.asarray(Image.fromarray(mask).filter(ImageFilter.GaussianBlur(pixels / 2)))
    soft = (blurred.astype(numpy.float32) * 2 - FULL).clip(0, FULL).round().astype(numpy.uint8)
    return numpy.minimum(soft, mask)


def compose(below: "NDArray[np.uint8]", above: "NDArray[np.float32]", mask: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """The picture `above` (floats from 0 to 1) over one of the same shape, as far as the mask says.

    Where the mask is 0, the pixels below stay as they are, bit for bit.
    """
    import numpy

    share = mask[..., None].astype(numpy.float32) / FULL
    mixed = (below * (1 - share) + above * FULL * share).round().clip(0, FULL).astype(numpy.uint8)
    return numpy.where(mask[..., None] == 0, below, mixed)


def resize(pixels: "NDArray[np.uint8]", size: tuple[int, int]) -> "NDArray[np.uint8]":
    """A picture or a mask at another size (width, height)."""
    import numpy
    from PIL import Image

    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    return numpy.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def resize_floats(values: "NDArray[np.float32]", size: tuple[int, int]) -> "NDArray[np.float32]":
    """A picture of floats from 0 to 1 at another size (width, height), in 8 bits on the way if that is another one."""
    import numpy

    if size == (values.shape[1], values.shape[0]):
        return values
    pixels = (values * FULL).round().clip(0, FULL).astype(numpy.uint8)
    return (resize(pixels, size) / numpy.float32(FULL)).astype(numpy.float32)


def cover(mask: "NDArray[np.uint8]", size: tuple[int, int]) -> "NDArray[np.uint8]":
    """A hard mask at a smaller or larger size: what holds any part that changes, changes."""
    import numpy
    from PIL import Image

    hard = Image.fromarray(((mask > 0) * FULL).astype(numpy.uint8))
    method = Image.Resampling.BOX if size[0] <= mask.shape[1] else Image.Resampling.NEAREST
    return ((numpy.asarray(hard.resize(size, method)) > 0) * FULL).astype(numpy.uint8)


class LatentBlending:
    """Keeps latents outside a mask: after each step they are the picture's own, with the noise of the next step.

    It works for any image-to-image pipeline with latents of shape (pictures, channels, height, width), whatever the
    number of channels. The picture's latents and the noise are those that the pipeline itself adds together.
    """

    def __init__(self, scheduler: "SchedulerMixin", mask: "NDArray[np.uint8]") -> None:
        self.mask = mask
        """At the size of a picture; a latent changes if any pixel of its does."""
        self.add_noise = scheduler.add_noise
        self.latents: Tensor | None = None
        self.noise: Tensor | None = None
        scheduler.add_noise = self.take

    def take(self, latents: "Tensor", noise: "Tensor", timesteps: "Tensor") -> "Tensor":
        """What the scheduler makes of a picture's latents and noise, both of which are kept."""
        if self.latents is None:
            self.latents, self.noise = latents, noise
        return self.add_noise(latents, noise, timesteps)

    def blend(self, pipeline: "DiffusionPipeline", step: int, latents: "Tensor") -> "Tensor":
        """The latents after a step, with those outside the mask replaced."""
        import torch

        if self.latents is None or self.noise is None:
            return latents
        height, width = latents.shape[-2:]
        changed = torch.from_numpy(cover(self.mask, (width, height)) // FULL).to(latents)
        timesteps = pipeline.scheduler.timesteps
        following = len(timesteps) - pipeline.num_timesteps + step + 1
        kept = self.latents
        if following < len(timesteps):
            kept = self.add_noise(self.latents, self.noise, timesteps[following].repeat(len(latents)))
        return (latents * changed + kept * (1 - changed)).to(latents.dtype)
