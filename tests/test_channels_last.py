"""The VAE of a large model on a CPU has its channels innermost, which is faster and changes nothing that is seen."""

from importlib.util import find_spec
from pathlib import Path

import numpy
import pytest
import torch
from checkpoints_edits import build_qwen_edit
from conftest import RunMain
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from torch import nn

from genai_cli.device import loading
from genai_cli.device.placement import Placement
from genai_cli.hub.fetching import ModelFiles
from genai_cli.hub.reference import ModelReference

HERE = Placement("cpu", "float32", "", "")
SHORT = ("--steps", "2", "--seed", "1", "--keep", "0")


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small models of the tests count as large ones."""
    monkeypatch.setattr(loading, "SMALL", 0)


def is_innermost(module: nn.Module) -> bool:
    layers = [part for part in module.modules() if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3)]
    return all(layer.weight.is_contiguous(memory_format=torch.channels_last) for layer in layers)


def read_pixels(file: str) -> numpy.ndarray:
    return numpy.asarray(Image.open(file)).astype(int)


@pytest.mark.usefixtures("large")
def test_the_vae_alone_is_changed_and_gives_the_same(stable_diffusion: Path) -> None:
    files = ModelFiles(ModelReference("x"), stable_diffusion, None, "", None, frozenset())
    vae = AutoencoderKL.from_pretrained(stable_diffusion / "vae").eval()
    unet = UNet2DConditionModel.from_pretrained(stable_diffusion / "unet")
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain = vae.decode(latents).sample
        for part in (vae, unet):
            loading.speed_up(part, files, HERE)
        torch.testing.assert_close(vae.decode(latents).sample, plain, rtol=1e-4, atol=1e-5)
    assert (is_innermost(vae), is_innermost(unet)) == (True, False)


@pytest.mark.usefixtures("large")
def test_the_vae_of_a_video_model_stays_as_it_is(run_main: RunMain, tmp_path: Path) -> None:
    build_qwen_edit(tmp_path / "qwen")
    Image.new("RGB", (64, 64), "red").save("a.png")
    done = run_main("edit", "a.png", "make it blue", "-m", tmp_path / "qwen", *SHORT, "-o", "b.png")
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("options", [(), ("--dtype", "bfloat16"), ("--compiler", "openvino")])
def test_pictures_stay_as_they_are(
    run_main: RunMain, stable_diffusion: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "openvino" in options and find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    command = ("image", "a cat", "-m", stable_diffusion, *SHORT, *options)
    assert run_main(*command, "-o", "plain.png").code == 0
    monkeypatch.setattr(loading, "SMALL", 0)
    done = run_main(*command, "-o", "large.png")
    assert (done.code, "could not be compiled" in done.stderr) == (0, False)
    most = 16 if "bfloat16" in options else 1
    assert abs(read_pixels("plain.png") - read_pixels("large.png")).max() <= most
