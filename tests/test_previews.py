"""Pictures as they form: they change no result, and a linear map comes near to what the decoder makes."""

from pathlib import Path

import numpy as np
from conftest import Genai, RunMain
from PIL import Image
from readers import record_of
from test_screen import PLAIN, run_in_terminal

import genai_cli

PICTURE = ["image", "a big white cross on a red background", "-m", "tiny", "--seed", "1", "--steps", "10"]


def test_previews_are_kept_and_change_nothing(run_main: RunMain) -> None:
    assert run_main(*PICTURE, "-o", "plain.png").code == 0
    done = run_main(*PICTURE, "-o", "watched.png", "--preview-file", "now.png", "--steps-sheet", "steps.png")
    assert (done.code, done.stdout) == (0, "watched.png\n")
    assert "the steps are in steps.png" in done.stderr
    plain, watched = record_of(Path("plain.png")), record_of(Path("watched.png"))
    assert (plain["content_sha256"], plain["parameters"]) == (watched["content_sha256"], watched["parameters"])
    last, whole = (np.asarray(Image.open(name).convert("RGB")).astype(int) for name in ("now.png", "plain.png"))
    assert np.abs(last - whole).mean() < 20  # after the last step but one
    strip = np.asarray(Image.open("steps.png").convert("RGB")).astype(int)
    assert strip.shape[1] == 9 * (128 + 12) + 12
    tiles = [strip[12:140, 12 + at * 140 : 140 + at * 140] for at in range(9)]
    shown = np.asarray(Image.open("plain.png").convert("RGB").resize((128, 128), Image.Resampling.NEAREST)).astype(int)
    distances = [np.abs(tile - shown).mean() for tile in tiles]
    assert distances[0] > 2 * distances[-1]


def test_usage(run_main: RunMain) -> None:
    for options, words in ((["--preview-file", "a.gif"], "is no PNG"), (["--steps-sheet", "a.txt"], "cannot write")):
        done = run_main(*PICTURE, *options)
        assert (done.code, done.stdout) == (2, "") and words in done.stderr
    assert not list(Path().iterdir())


def test_a_preview_goes_when_the_picture_is_there(genai: Genai) -> None:
    shown = run_in_terminal(genai.cwd, PLAIN, *PICTURE, "--preview", "--no-show")
    assert "▀" in shown
    before, _, after = shown.rpartition("\x1b[J")
    assert "▀" in before and "▀" not in after
    assert "a-big-white-cross-on-a-red-background-1.png" in after


def test_a_fitted_map_is_near_to_the_decoder() -> None:
    import torch
    from diffusers import AutoencoderKL

    from genai_cli.modality.diffusion.previews import apply_map, decode, fit_map

    vae = AutoencoderKL.from_pretrained(Path(genai_cli.__file__).parent / "tiny" / "image" / "vae")
    with torch.inference_mode():
        patches = torch.randn((1, vae.config.latent_channels, 5, 5), generator=torch.Generator().manual_seed(3))
        latents = torch.nn.functional.interpolate(patches, size=(20, 20), mode="bicubic")
        mapped = apply_map(fit_map(vae), latents)
        wanted = torch.nn.functional.adaptive_avg_pool2d(decode(vae, latents), 20)
    assert np.corrcoef(mapped.flatten(), wanted.flatten())[0, 1] > 0.7
