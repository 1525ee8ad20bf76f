"""Measure the machine's rates: python -m tools.bench.probe DEVICE DTYPE, one JSON object on stdout."""

import json
import sys
import time
from collections.abc import Callable

import torch


def best_seconds(work: Callable[[], object], device: str, runs: int = 5) -> float:
    """The shortest of several runs, after one warm-up run."""
    seconds = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def matrix_rate(device: str, dtype: torch.dtype, side: int = 4096) -> float:
    """FLOP/s of a product of two square matrices, or of the same as a convolution if that is faster.

    On a CPU, torch uses different libraries for the two.
    """
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    picture, weight = left.reshape(1, side, 64, -1), right.reshape(side, side, 1, 1)
    ways = (lambda: left @ right, lambda: torch.nn.functional.conv2d(picture, weight))
    return 2 * side**3 / min(best_seconds(way, device) for way in ways)


def bandwidth(device: str, dtype: torch.dtype, size: int = 10**9) -> float:
    """Bytes/s with which a matrix times a vector reads the matrix."""
    columns = 16384
    width: int = dtype.itemsize
    rows = size // (columns * width)
    matrix, vector = (torch.ones(*shape, device=device, dtype=dtype) for shape in ((rows, columns), (columns,)))
    return rows * columns * width / best_seconds(lambda: torch.mv(matrix, vector), device)


def image_work(size: int) -> tuple[int, int]:
    """FLOP of one denoising step of SD 1.5 with guidance (two samples), and of the decoding of one picture."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from torch.utils.flop_counter import FlopCounterMode

    from tools.bench.checkpoints.stable_diffusion import UNET, VAE

    with torch.device("meta"), torch.no_grad():
        unet, vae = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE)
        side = size // 8
        with FlopCounterMode(display=False) as step:
            unet(torch.empty(2, 4, side, side), torch.ones(2), torch.empty(2, 77, 768))
        with FlopCounterMode(display=False) as decoding:
            vae.decode(torch.empty(1, 4, side, side))
    return step.get_total_flops(), decoding.get_total_flops()


def main() -> None:
    """Measure the rates and print them."""
    device, dtype = sys.argv[1], getattr(torch, sys.argv[2])
    found: dict[str, float] = {"flops": matrix_rate(device, dtype), "bandwidth": bandwidth(device, dtype)}
    for size in (256, 512):
        found[f"step_{size}"], found[f"decoding_{size}"] = image_work(size)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
