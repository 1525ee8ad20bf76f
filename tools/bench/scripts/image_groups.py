"""Print the seconds of a group of pictures for each of the given group sizes, after a short one that warms up."""

import sys
import time

import torch
from diffusers import DiffusionPipeline

device, dtype, checkpoint, steps, *sizes = sys.argv[1:]
pipeline = DiffusionPipeline.from_pretrained(checkpoint, torch_dtype=getattr(torch, dtype), variant="fp16").to(device)
pipeline.set_progress_bar_config(disable=True)


def paint(count: int, evaluations: int) -> float:
    """The seconds of `count` pictures at the model's own size, until they are pixels in the computer's memory."""
    generators = [torch.Generator().manual_seed(number) for number in range(count)]
    started = time.perf_counter()
    pipeline(
        ["an astronaut riding a horse"] * count,
        num_inference_steps=evaluations,
        generator=generators,
        output_type="np",
    )
    return time.perf_counter() - started


for size in map(int, sizes):
    paint(size, 2)
    print(paint(size, int(steps)))
