"""The figures of an exported pipeline: correct attributes on held-out prompts, size, speed, reconstruction."""

import math
import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from tools.train.image.captions import write_caption
from tools.train.image.drawing import draw_batch
from tools.train.image.export import GUIDANCE_SCALE, STEPS, load_pipeline
from tools.train.image.measure import Measured, measure_picture
from tools.train.image.scenes import Scene, draw_scene

PROMPTS = {"single": 150, "like pair": 50, "different pair": 60}
MAIN_KINDS = ("single", "like pair")
BATCH_SIZE = 10
SEED = 20_000
ATTRIBUTES = tuple(field.name for field in fields(Measured) if field.name != "overlap")
BARS = {"background": 0.98, "colour": 0.98, "size": 0.95, "place": 0.95, "shape": 0.95}
PAIR_BARS = {"colour": 0.85, "shape": 0.75}


@dataclass(frozen=True)
class Figures:
    """Shares of correct attributes by kind of scene, and the model's size, speed and reconstruction quality."""

    shares: dict[str, dict[str, float]]
    overlap: dict[str, float]
    reconstruction: dict[str, float]
    megabytes: float
    seconds_a_picture: float


def generate(pipeline: StableDiffusionPipeline, prompts: list[str], seed: int) -> list[Image.Image]:
    """A picture for each prompt at the default steps and guidance. Picture k uses seed + k."""
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), BATCH_SIZE):
        part = prompts[start : start + BATCH_SIZE]
        generators = [torch.Generator().manual_seed(seed + start + index) for index in range(len(part))]
        output = pipeline(part, num_inference_steps=STEPS, guidance_scale=GUIDANCE_SCALE, generator=generators)
        pictures.extend(output.images)
    return pictures


def _share(measured: list[Measured]) -> dict[str, float]:
    return {name: sum(getattr(one, name) for one in measured) / len(measured) for name in ATTRIBUTES}


def _to_image(picture: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.clip(np.round((picture.transpose(1, 2, 0) + 1) * 127.5), 0, 255).astype(np.uint8))


@torch.no_grad()
def measure_reconstruction(pipeline: StableDiffusionPipeline, count: int = 200) -> dict[str, float]:
    """What encoding and decoding alone preserve of held-out drawings: PSNR in dB, and shares of correct attributes."""
    rng = np.random.default_rng(SEED)
    kinds = list(PROMPTS)
    scenes = [draw_scene(rng, kinds[index % 3], held_out=True) for index in range(count)]
    drawings = draw_batch(scenes, rng)
    decoded = [
        pipeline.vae.decode(pipeline.vae.encode(part).latent_dist.mean).sample
        for part in torch.from_numpy(drawings).split(BATCH_SIZE)
    ]
    pictures = torch.cat(decoded).numpy()
    measured = [measure_picture(_to_image(picture), scene) for picture, scene in zip(pictures, scenes, strict=True)]
    squared = float(np.square(np.clip(pictures, -1, 1) - drawings).mean())
    return {"PSNR": 10 * math.log10(4 / squared), **_share(measured)}


def _held_out_prompts(kind: str, count: int) -> tuple[list[Scene], list[str]]:
    rng = np.random.default_rng((SEED, count))
    scenes = [draw_scene(rng, kind, held_out=True) for _ in range(count)]
    return scenes, [write_caption(scene, rng) for scene in scenes]


def measure_pipeline(folder: Path) -> Figures:
    """Measure an exported pipeline on held-out prompts, at its default steps and guidance."""
    pipeline = load_pipeline(folder)
    measured: dict[str, list[Measured]] = {}
    started = time.monotonic()
    for kind, count in PROMPTS.items():
        scenes, prompts = _held_out_prompts(kind, count)
        pictures = generate(pipeline, prompts, SEED)
        measured[kind] = [measure_picture(*pair) for pair in zip(pictures, scenes, strict=True)]
    seconds = (time.monotonic() - started) / sum(PROMPTS.values())
    groups = {"main": [one for kind in MAIN_KINDS for one in measured[kind]], **measured}
    return Figures(
        shares={name: _share(group) for name, group in groups.items()},
        overlap={name: sum(one.overlap for one in group) / len(group) for name, group in groups.items()},
        reconstruction=measure_reconstruction(pipeline),
        megabytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6,
        seconds_a_picture=seconds,
    )


def _row(label: str, shares: dict[str, float], bars: dict[str, float]) -> str:
    cells = []
    for name in ATTRIBUTES:
        bar = bars.get(name)
        cells.append(f"{shares[name]:.1%}" if bar is None else f"{shares[name]:.1%} (bar {bar:.0%})")
    return f"| {label} | " + " | ".join(cells) + " |"


def figures_table(figures: Figures) -> str:
    """The figures as Markdown: shares of correct attributes by kind of prompt, and the other figures as sentences."""
    main = sum(PROMPTS[kind] for kind in MAIN_KINDS)
    labels = {"main": f"one object or two alike, {main} prompts"}
    labels |= {kind: f"{kind}, {count} prompts" for kind, count in PROMPTS.items()}
    labels["single"] = "of these: " + labels["single"]
    labels["like pair"] = "of these: " + labels["like pair"]
    bars = {"main": BARS, "different pair": PAIR_BARS}
    lines = [f"| prompts held out from training | {' | '.join(ATTRIBUTES)} |", "|---" * (len(ATTRIBUTES) + 1) + "|"]
    lines += [_row(label, figures.shares[name], bars.get(name, {})) for name, label in labels.items()]
    lines.append(_row("drawings through the autoencoder alone", figures.reconstruction, {"shape": 0.98}))
    overlaps = ", ".join(f"{name} {value:.2f}" for name, value in figures.overlap.items() if name != "main")
    return "\n".join(lines) + (
        "\n\nMean overlap with the template of the shape asked for (a wrong number of objects counts as 0): "
        f"{overlaps}.\n"
        f"Autoencoder reconstruction: PSNR {figures.reconstruction['PSNR']:.1f} dB. "
        f"Folder: {figures.megabytes:.1f} MB. "
        f"One picture on one CPU core, in batches of {BATCH_SIZE}: {figures.seconds_a_picture:.2f} s.\n"
    )
