"""Print the seconds of each picture in one process, with the given steps, on one line."""

import sys
import time

import torch
from diffusers import DiffusionPipeline

device, dtype, checkpoint, size, *steps = sys.argv[1:]
pipeline = DiffusionPipeline.from_pretrained(checkpoint, torch_dtype=getattr(torch, dtype)).to(device)
seconds = []
for count in steps:
    started = time.perf_counter()
    pipeline(
        "an astronaut riding a horse",
        num_inference_steps=int(count),
        width=int(size),
        height=int(size),
        generator=torch.Generator().manual_seed(1),
    )
    seconds.append(time.perf_counter() - started)
print(*seconds)
