"""Latents become pictures; where a VAE overflows in half precision, once more in float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def finite_decoding(pipeline: Any) -> Iterator[set[int]]:
    """While a pipeline runs, decode those pictures again in float32 that are not finite though their latents are.

    Yields the places in the group of the pictures that were decoded so.
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
        del vae.decode  # what the class has comes back


class FiniteDecode:
    """A VAE's decode in two tries."""

    def __init__(self, vae: Any, repaired: set[int]) -> None:
        self.vae = vae
        self.decode = vae.decode
        self.repaired = repaired

    def __call__(self, latents: Any, *arguments: Any, return_dict: bool = True, **options: Any) -> Any:
        """Pictures for latents of shape (pictures, ...), as the VAE's own decode returns them."""
        import torch

        pictures = self.decode(latents, *arguments, return_dict=False, **options)[0]
        usual = next(self.vae.parameters()).dtype
        bad = [
            place
            for place, (picture, latent) in enumerate(zip(pictures, latents, strict=True))
            if usual != torch.float32 and latent.isfinite().all() and not picture.isfinite().all()
        ]
        if bad:
            self.vae.to(torch.float32)
            try:
                again = self.decode(latents[bad].float(), *arguments, return_dict=False, **options)[0]
            finally:
                self.vae.to(usual)
            pictures = pictures.float()
            pictures[bad] = again
            self.repaired.update(bad)
        return self.output(pictures) if return_dict else (pictures,)

    def output(self, pictures: Any) -> Any:
        """The output of diffusers' decoders."""
        from diffusers.models.autoencoders.vae import DecoderOutput

        return DecoderOutput(sample=pictures)
