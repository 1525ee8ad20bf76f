"""A VAE decodes latents to pictures. If it overflows in half precision, the decoding is repeated in float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL, DiffusionPipeline
    from diffusers.models.autoencoders.vae import DecoderOutput


@contextmanager
def finite_decoding(pipeline: "DiffusionPipeline") -> Iterator[set[int]]:
    """While a pipeline runs, repeat the decoding in float32 for pictures that are not finite though their latents are.

    Yields a set that receives the positions of these pictures in the group.
    """
    vae = getattr(pipeline, "vae", None)
    repaired: set[int] = set()
    if vae is None or not hasattr(vae, "decode"):
        yield repaired
        return
    vae.decode = FiniteDecode(vae, repaired)
    try:
        yield repaired
    finally:
        del vae.decode  # the method of the class is visible again


class FiniteDecode:
    """The decode of a VAE, with a second try in float32."""

    def __init__(self, vae: "AutoencoderKL", repaired: set[int]) -> None:
        self.vae = vae
        self.decode = vae.decode
        self.repaired = repaired

    def __call__(
        self, latents: "torch.Tensor", *arguments: object, return_dict: bool = True, **options: object
    ) -> "DecoderOutput | tuple[torch.Tensor]":
        """Pictures for latents of shape (pictures, ...), as the VAE's own decode returns them."""
        import torch
        from diffusers.models.autoencoders.vae import DecoderOutput

        pictures = self.decode(latents, *arguments, return_dict=False, **options)[0]
        usual = next(self.vae.parameters()).dtype
        broken = [
            position
            for position, (picture, latent) in enumerate(zip(pictures, latents, strict=True))
            if usual != torch.float32 and latent.isfinite().all() and not picture.isfinite().all()
        ]
        if broken:
            self.vae.to(torch.float32)
            try:
                repeated = self.decode(latents[broken].float(), *arguments, return_dict=False, **options)[0]
            finally:
                self.vae.to(usual)
            pictures = pictures.float()
            pictures[broken] = repeated
            self.repaired.update(broken)
        return DecoderOutput(sample=pictures) if return_dict else (pictures,)
