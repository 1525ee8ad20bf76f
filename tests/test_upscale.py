"""genai upscale and genai edit --upscale: larger pictures, with a checkpoint in the layout of Swin2SR."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from checkpoints_upscaling import build_swin2sr
from conftest import RunMain, write_rows
from numpy.typing import NDArray
from PIL import Image
from readers import embedded_xmp, manifest, pixels, record_of, source_type
from safetensors.torch import save_file

from genai_cli.errors import InputError
from genai_cli.modality.tiling import enlarge, list_spans, weigh
from genai_cli.modality.upscale import OVERLAP, Upscale, UpscaleRequest


@pytest.fixture(scope="module")
def swin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Swin2SR, 2 times."""
    return build_swin2sr(tmp_path_factory.mktemp("swin") / "swin")


def draw(path: Path, width: int, height: int) -> Path:
    """Soft colours with grain."""
    chance = np.random.default_rng(0)
    soft = Image.fromarray(chance.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((width, height))
    grain = np.asarray(soft).astype(int) + chance.integers(-20, 20, (height, width, 3))
    Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(path)
    return path


class Loaded(Upscale):
    """The modality around a model at hand."""

    def __init__(self, folder: Path) -> None:
        self.model = transformers.Swin2SRForImageSuperResolution.from_pretrained(folder).eval()
        self.factor, self.window = 2, 8


def test_tiles_give_what_the_whole_gives(swin: Path, tmp_path: Path) -> None:
    values = pixels(draw(tmp_path / "photo.png", 300, 200))
    loaded = Loaded(swin)
    whole = (loaded.run(values) * 255).round()
    assert whole.std() > 30
    shapes: list[tuple[int, int]] = []

    def run(part: NDArray[np.uint8]) -> NDArray[np.float32]:
        shapes.append((part.shape[0], part.shape[1]))
        return loaded.run(part)

    reports: list[tuple[int, int]] = []
    made = enlarge(values, 2, run, 128, OVERLAP, 8, lambda done, total: reports.append((done, total)))
    assert (made.shape, made.dtype) == ((400, 600, 3), np.uint8)
    assert np.abs(made - whole).max() <= 1
    assert max(itertools.chain(*shapes)) == 128
    assert (len(shapes), reports[0], reports[-1]) == (12, (0, 12), (12, 12))
    with torch.inference_mode():  # no padding of ours where the sides are those of windows
        plain = loaded.model(
            torch.from_numpy(values[:, :296].copy()).permute(2, 0, 1)[None].float() / 255
        ).reconstruction
    assert np.abs(plain[0].permute(1, 2, 0).clamp(0, 1).numpy() - loaded.run(values[:, :296])).max() < 1e-6


@pytest.mark.parametrize("length", [1, 63, 64, 65, 100, 128, 129, 200, 1000, 1003])
def test_tiles_cover_a_side_once(length: int) -> None:
    for overlap in (16, 32, 48):
        spans = list_spans(length, 64, overlap, 8)
        assert (spans[0][0], spans[-1][1]) == (0, length)
        assert all(start % 8 == 0 and end - start <= 64 for start, end in spans)
        total = np.zeros(length * 2)
        for weight, (start, end) in zip(weigh(spans, overlap, 2), spans, strict=True):
            total[start * 2 : end * 2] += weight
        assert np.allclose(total, 1)
    values = np.random.default_rng(0).integers(0, 256, (length, 40, 3), dtype=np.uint8)

    def repeat(part: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (part.repeat(2, 0).repeat(2, 1) / np.float32(255)).astype(np.float32)

    made = enlarge(values, 2, repeat, 64, 32, 8, lambda *_: None)
    assert (made == values.repeat(2, 0).repeat(2, 1)).all()


def test_edit_makes_a_picture_larger_and_the_record_says_so(run_main: RunMain, swin: Path) -> None:
    photo = draw(Path("photo.png"), 61, 43)
    done = run_main("edit", photo, "--upscale", "2", "-m", swin, "-o", "large.png")
    assert (done.code, done.stdout, done.stderr) == (0, "large.png\n", "")
    assert pixels(Path("large.png")).shape == (86, 122, 3)
    record = record_of(Path("large.png"))
    assert (record["task"], record["parameters"]["factor"]) == ("upscale", 2)
    assert record["inputs"]["picture"]["name"] == "photo.png"
    assert record["sizes"] == {"input": [61, 43], "result": [122, 86]}
    assert str(source_type(embedded_xmp(Path("large.png")))).endswith("compositeWithTrainedAlgorithmicMedia")
    assert run_main("rerun", "large.png", "--verify").stdout == "large.png: the same\n"
    done = run_main("upscale", photo, "-m", swin, "-o", "own.png")
    assert (done.code, (pixels(Path("own.png")) == pixels(Path("large.png"))).all()) == (0, True), done.stderr
    draw(Path("line.png"), 5, 90)
    assert run_main("edit", "photo.png", "line.png", "--upscale", "2", "-m", swin, "-o", "out/").code == 0
    assert {pixels(file).shape for file in Path("out").glob("*.png")} == {(86, 122, 3), (180, 10, 3)}


def test_batches(run_main: RunMain, swin: Path) -> None:
    draw(Path("a.png"), 20, 20)
    rows = [{"task": "upscale", "picture": "a.png", "factor": 2}, {"task": "upscale", "picture": "none.png"}]
    write_rows(Path("rows.jsonl"), rows)
    done = run_main("batch", "rows.jsonl", "-m", swin, "-o", "out/", "--skip-bad")
    assert (done.code, "none.png does not exist" in done.stderr) == (0, True), done.stderr
    assert [line["status"] for line in manifest(Path("out"))] == ["done"]
    done = run_main("batch", "rows.jsonl", "-m", swin, "-o", "out/", "--skip-bad")
    assert "1 done earlier" in done.stderr


def test_what_cannot_be_is_refused(run_main: RunMain, swin: Path, stable_diffusion: Path) -> None:
    draw(Path("a.png"), 20, 20)
    Path("no.png").write_text("no picture")
    Image.new("1", (9000, 9000)).save("vast.png")
    for name, key in (("esrgan", "model.1.sub.0.RDB1.conv1.0.weight"), ("swinir", "layers.0.residual_group.norm.bias")):
        save_file({key: torch.zeros(4)}, f"{name}.safetensors")
    cases = [
        (("edit", "a.png", "--upscale", "4", "-m", swin), "enlarges 2 times, not 4"),
        (("edit", "a.png", "--upscale", "3"), "genai knows no model that enlarges 3 times"),
        (("edit", "a.png", "--upscale", "1"), "2 to 8"),
        (("edit", "a.png", "--upscale", "2", "--strength", "0.5"), "--strength means nothing with --upscale"),
        (("edit", "a.png", "sharper", "--upscale", "2", "-m", swin), "sharper"),
        (("edit", "--upscale", "2"), "no picture given"),
        (("upscale", "no.png", "-m", swin), "no.png"),
        (("upscale", "vast.png", "-m", swin), "over 256 million pixels"),
        (("upscale", "a.png", "-m", stable_diffusion), "not a model that enlarges pictures"),
        (("upscale", "a.png", "-m", "esrgan.safetensors"), "is an upscaler in one file (ESRGAN, SwinIR or the like)"),
        (("edit", "a.png", "--upscale", "4", "-m", "swinir.safetensors"), "genai upscale without -m takes Swin2SR"),
    ]
    for arguments, words in cases:
        done = run_main(*arguments)
        assert (done.code, words in done.stderr) == (2, True), done.stderr
    with pytest.raises(InputError, match="a task of its own"):
        from genai_cli.modality.edit import EditRequest

        EditRequest.from_fields({"picture": "a.png", "prompt": "x", "model": "tiny", "upscale": 2})


def test_the_factor_chooses_the_model_and_little_memory_smaller_tiles(run_main: RunMain, swin: Path) -> None:
    draw(Path("a.png"), 20, 20)
    for factor, model in ((None, "swin2sr"), (2, "swin2sr"), (4, "swin2sr-x4")):
        fields = {"picture": "a.png", "model": "swin2sr", "factor": factor}
        assert UpscaleRequest.from_fields(fields).model == model
    loaded = Loaded(swin)
    loaded.tile = 256
    assert "tiles of 128" in str(loaded.save_memory("cuda"))
    assert "tiles of 64" in str(loaded.save_memory("cuda"))
    assert loaded.save_memory("cuda") is None
