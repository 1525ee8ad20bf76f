"""The example of diffusers' README, from a folder and with a seed."""

import sys

import torch
from diffusers import DiffusionPipeline

device, dtype, checkpoint, variant, size, steps, output = sys.argv[1:]
pipeline = DiffusionPipeline.from_pretrained(checkpoint, torch_dtype=getattr(torch, dtype), variant=variant or None)
pipeline.to(device)
generator = torch.Generator().manual_seed(1)
picture = pipeline(
    "an astronaut riding a horse",
    num_inference_steps=int(steps),
    width=int(size),
    height=int(size),
    generator=generator,
).images[0]
picture.save(output)
