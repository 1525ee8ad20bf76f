"""genai edit: what comes out of a picture, with the built-in model and with checkpoints in the layouts of real ones."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_parts import update_json
from checkpoints_edits import (
    build_flux_fill,
    build_inpainting,
    build_kontext,
    build_pix2pix,
    build_qwen_edit,
    build_refiner,
)
from conftest import RunMain, write_rows
from numpy.typing import NDArray
from PIL import Image
from readers import embedded_xmp, manifest, pixels, png_texts, record_of, source_type

COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
TINY = ("-m", "tiny", "--steps", "3", "--seed", "1")
QUICK = ("--steps", "4", "--seed", "1")


def draw(path: Path, width: int = 64, height: int = 64, seed: int = 0) -> Path:
    """A photograph of sorts: soft colours, and noise that no model makes again."""
    path.parent.mkdir(exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3))
    soft = np.linspace(0, 190, width)[None, :, None] * np.array([1, 0.6, 0.3])
    Image.fromarray((soft + noise).astype(np.uint8)).save(path)
    return path


def draw_mask(path: Path, width: int, height: int, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """A black picture with a white box (left, top, right, bottom), as it is written."""
    mask = np.zeros((height, width), np.uint8)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = 255
    Image.fromarray(mask).save(path)
    return mask


@pytest.fixture
def photo(run_main: RunMain) -> Iterator[Path]:
    """A picture in the current folder."""
    yield draw(Path("photo.png"))


# Whole pictures


def test_the_built_in_model_changes_what_it_is_asked_to(run_main: RunMain) -> None:
    made = run_main("image", "a blue star on the left", "-m", "tiny", "--seed", "3", "-o", "star.png")
    assert made.code == 0
    done = run_main("edit", "star.png", "a red star on the left", "-m", "tiny", "--seed", "1")
    assert (done.code, done.stdout) == (0, "star-a-red-star-on-the-left-1.png\n"), done.stderr
    before, after = pixels(Path("star.png")), pixels(Path(done.stdout.strip()))
    left = (slice(20, 44), slice(14, 28))
    assert before[left].mean(axis=(0, 1))[2] > 150
    red, green, blue = after[left].mean(axis=(0, 1))
    assert red > 150 > max(green, blue)
    assert np.abs(after[:, 44:].astype(int) - before[:, 44:]).max() < 40  # place and background stay
    record = record_of(Path(done.stdout.strip()))
    assert (record["parameters"]["strength"], record["parameters"]["guidance_scale"]) == (0.8, 3.0)


def test_the_record_the_mark_and_the_parameters(run_main: RunMain, photo: Path) -> None:
    done = run_main("edit", photo, "a red circle", *TINY, "--strength", "0.5", "-o", "out.png")
    assert (done.code, done.stdout) == (0, "out.png\n"), done.stderr
    record = record_of(Path("out.png"))
    assert record["task"] == "edit"
    assert record["inputs"]["picture"]["name"] == "photo.png"
    assert len(record["inputs"]["picture"]["sha256"]) == 64
    assert record["sizes"] == {"input": [64, 64], "work": [64, 64]}
    names = {"seed", "negative_prompt", "num_inference_steps", "guidance_scale", "width", "height", "scheduler"}
    assert set(record["parameters"]) == {*names, "safety", "strength"}
    assert source_type(embedded_xmp(Path("out.png"))) == COMPOSITE
    assert "Denoising strength: 0.5" in png_texts(Path("out.png"))["parameters"]
    shown = run_main("show", "out.png").stdout
    assert "inputs.picture" in shown
    assert "parameters.strength          0.5" in shown
    bare = run_main("edit", photo, "a red circle", *TINY, "--no-metadata", "-o", "bare.png")
    assert bare.code == 0
    assert record["inputs"]["picture"]["sha256"].encode() not in Path("bare.png").read_bytes()


def test_strength_costs_its_share_of_the_steps(run_main: RunMain, photo: Path, stable_diffusion: Path) -> None:
    from diffusers import UNet2DConditionModel

    calls: list[int] = []
    plain = UNet2DConditionModel.forward

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        calls.append(1)
        return plain(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UNet2DConditionModel, "forward", counted)
        options = ("-m", stable_diffusion, "--steps", "10", "--scheduler", "ddim", "--seed", "1")
        assert run_main("edit", photo, "a cat", *options, "--strength", "0.3", "-o", "out.png").code == 0
    assert len(calls) == 3


def test_sizes_keep_the_aspect_and_are_said(run_main: RunMain) -> None:
    draw(Path("wide.png"), 400, 200)
    done = run_main("edit", "wide.png", "a red circle", *TINY, "-o", "out.png")
    assert "wide.png is 400x200 and is made at 88x48; --size WIDTHxHEIGHT names another" in done.stderr
    assert pixels(Path("out.png")).shape == (48, 88, 3)
    assert run_main("edit", "wide.png", "a red circle", *TINY, "--width", "64", "-o", "half.png").code == 0
    assert pixels(Path("half.png")).shape == (32, 64, 3)
    assert run_main("edit", "wide.png", "a red circle", *TINY, "--size", "64x64", "-o", "square.png").code == 0
    assert pixels(Path("square.png")).shape == (64, 64, 3)
    assert "nearest: 64 and 72" in run_main("edit", "wide.png", "x", *TINY, "--width", "65").stderr
    draw(Path("line.png"), 400, 20)
    long = run_main("edit", "line.png", "a red circle", *TINY)
    assert (long.code, "a picture of 400x20 is too long for a model" in long.stderr) == (2, True)


def test_it_is_made_again_bit_for_bit(run_main: RunMain) -> None:
    draw(Path("in/photo.png"), 200, 150)
    draw_mask(Path("in/mask.png"), 200, 150, (20, 20, 60, 60))
    assert run_main("edit", "in/photo.png", "a red circle", *TINY, "-o", "in/whole.png").code == 0
    masked = ("edit", "in/photo.png", "a red circle", *TINY, "--mask", "in/mask.png", "-o", "in/masked.png")
    assert run_main(*masked).code == 0
    done = run_main("rerun", "in/whole.png", "in/masked.png", "--verify")
    assert done.stdout.splitlines() == ["in/whole.png: the same", "in/masked.png: the same"], done.stderr
    Path("in/photo.png").rename("elsewhere.png")
    lost = run_main("rerun", "in/whole.png", "--verify")
    assert (lost.code, "'photo.png'" in lost.stderr) == (2, True)
    for name in ("whole", "masked"):
        found = run_main("rerun", f"in/{name}.png", "--verify", "--input", "elsewhere.png")
        assert found.stdout == f"in/{name}.png: the same\n", found.stderr
    draw(Path("other.png"), 100, 300, seed=5)
    draw_mask(Path("mask.png"), 200, 150, (100, 100, 120, 120))
    assert run_main("rerun", "in/whole.png", "--input", "other.png", "-o", "tall.png").code == 0
    assert pixels(Path("tall.png")).shape == (112, 40, 3)
    assert run_main("rerun", "in/whole.png", "--from", "other.png", "-o", "from.png").code == 0
    assert (pixels(Path("from.png")) == pixels(Path("tall.png"))).all()
    Path("elsewhere.png").rename("photo.png")
    done = run_main("rerun", "in/masked.png", "--mask", "mask.png", "-o", "moved.png")
    assert done.code == 0, done.stderr
    assert record_of(Path("moved.png"))["parameters"]["region"] == "78,78,142,142"
    other = run_main("rerun", "in/masked.png", "--input", "other.png")
    assert (other.code, "other.png is neither of them" in other.stderr) == (2, True)


# Parts of pictures


def outside_and_inside(before: Path, after: Path, mask: NDArray[np.uint8]) -> tuple[int, float]:
    """The largest difference of the pixels that a mask keeps, and the mean one of those that it changes."""
    with Image.open(before) as image:
        kept = np.asarray(image.convert("RGB")).astype(int)
    difference = np.abs(kept - pixels(after))
    return int(difference[mask == 0].max(initial=0)), float(difference[mask > 0].mean())


@pytest.mark.parametrize("scheduler", ["dpm++2m", "euler", "euler-a", "ddim", "heun", "unipc", "lcm", "pndm"])
def test_pixels_outside_a_mask_stay_as_they_are(run_main: RunMain, photo: Path, scheduler: str) -> None:
    mask = draw_mask(Path("mask.png"), 64, 64, (10, 20, 40, 50))
    options = ("-m", "tiny", "--steps", "10", "--seed", "1", "--scheduler", scheduler)
    done = run_main("edit", photo, "a red square", *options, "--mask", "mask.png", "-o", "out.png")
    assert done.code == 0, done.stderr
    outside, inside = outside_and_inside(photo, Path("out.png"), mask)
    assert outside == 0
    assert inside > 10


def test_masks_of_every_kind(run_main: RunMain, photo: Path) -> None:
    mask = draw_mask(Path("mask.png"), 64, 64, (16, 16, 48, 48))
    black = draw_mask(Path("black.png"), 64, 64, (0, 0, 0, 0))
    with Image.open(photo) as image:
        image.putalpha(Image.fromarray(255 - mask))
        image.save("cut-out.png")
    Image.fromarray(255 - mask).save("inverted.png")
    Image.fromarray(mask).resize((32, 32)).save("small.png")
    whole = ("edit", photo, "a red square", *TINY)
    assert run_main(*whole, "--mask", "mask.png", "-o", "a.png").code == 0
    assert run_main(*whole, "--mask", "inverted.png", "--invert-mask", "-o", "b.png").code == 0
    assert run_main("edit", "cut-out.png", "a red square", *TINY, "--mask", "alpha", "-o", "c.png").code == 0
    for name in ("b", "c"):
        assert (pixels(Path(f"{name}.png")) == pixels(Path("a.png"))).all(), name
    assert run_main("rerun", "c.png", "--verify").stdout == "c.png: the same\n"
    small = run_main(*whole, "--mask", "small.png", "-o", "d.png")
    assert "the mask small.png is fitted to the size of the picture" in small.stderr
    for options, words in {
        ("--mask", "black.png"): "the mask changes nothing",
        ("--mask", "alpha"): "photo.png has no transparent parts",
        ("--mask", "none.png"): "none.png does not exist",
        ("--feather", "3"): "--feather is about a mask, and none was given",
        ("--mask", "mask.png", "--region", "0,0,8,8"): "--region 0,0,8,8 does not hold all of the mask",
        ("--mask", "mask.png", "--region", "near"): "--region must be auto, whole, or LEFT,TOP,RIGHT,BOTTOM",
        ("--mask", "wide.png"): "the mask wide.png is 64x20, and the picture 64x64",
    }.items():
        draw_mask(Path("wide.png"), 64, 20, (0, 0, 9, 9))
        done = run_main(*whole, *options)
        assert (done.code, words in done.stderr) == (2, True), (options, done.stderr)
    assert not black.any()


def test_edges_set_in_inside_the_mask(run_main: RunMain, photo: Path) -> None:
    mask = draw_mask(Path("mask.png"), 64, 64, (8, 8, 56, 56))
    changes = {}
    for feather in (0, 12):
        options = ("--mask", "mask.png", "--feather", str(feather), "-o", f"{feather}.png")
        assert run_main("edit", photo, "a blue circle", *TINY, *options).code == 0
        outside, _ = outside_and_inside(photo, Path(f"{feather}.png"), mask)
        assert outside == 0
        changes[feather] = np.abs(pixels(photo).astype(int) - pixels(Path(f"{feather}.png"))).mean(axis=2)
    assert changes[12][9, 20:44].mean() < changes[0][9, 20:44].mean() / 3
    assert (changes[12][26:38, 26:38] == changes[0][26:38, 26:38]).all()


def test_a_large_picture_keeps_its_size_and_is_worked_in_part(run_main: RunMain) -> None:
    draw(Path("large.jpg"), 1200, 900)
    mask = draw_mask(Path("mask.png"), 1200, 900, (1100, 40, 1160, 80))
    options = ("--mask", "mask.png", "-o", "out.png")
    assert run_main("edit", "large.jpg", "a red circle", *TINY, *options).code == 0
    outside, inside = outside_and_inside(Path("large.jpg"), Path("out.png"), mask)
    assert (outside, inside > 10) == (0, True)
    record = record_of(Path("out.png"))
    assert record["sizes"] == {"work": [72, 56], "result": [1200, 900]}
    assert record["parameters"]["region"] == "1085,28,1175,92"
    assert run_main("edit", "large.jpg", "x", *TINY, "--region", "whole", *options).code == 0
    assert record_of(Path("out.png"))["parameters"]["region"] == "0,0,1200,900"


def test_outpainting_grows_the_picture(run_main: RunMain, photo: Path) -> None:
    done = run_main("edit", photo, "a red circle", *TINY, "--outpaint", "8,0,24,16", "-o", "out.png")
    assert done.code == 0, done.stderr
    grown = pixels(Path("out.png"))
    assert grown.shape == (80, 96, 3)
    assert (grown[:64, 8:72] == pixels(photo)).all()
    assert grown[70:, :, :].std() > 1
    assert run_main("rerun", "out.png", "--verify").stdout == "out.png: the same\n"
    for margins, words in {"0,0,0,0": "must add 1 to", "8": "LEFT,TOP,RIGHT,BOTTOM", "1,1,1,99999": "must add"}.items():
        refused = run_main("edit", photo, "x", *TINY, "--outpaint", margins)
        assert (refused.code, words in refused.stderr) == (2, True), refused.stderr


# Checkpoints in the layouts of real ones


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, sdxl: Path, stable_diffusion: Path) -> dict[str, Path]:
    """A checkpoint of each way of editing."""
    folder = tmp_path_factory.mktemp("edits")
    builders = [build_flux_fill, build_inpainting, build_kontext, build_pix2pix, build_refiner]
    built = {build.__name__.removeprefix("build_"): build(folder / build.__name__) for build in builders}
    return {**built, "sdxl": sdxl, "stable_diffusion": stable_diffusion}


@pytest.mark.parametrize("name", ["stable_diffusion", "sdxl", "refiner", "inpainting", "pix2pix"])
def test_whole_pictures_and_masks_with_each_layout(
    run_main: RunMain, photo: Path, checkpoints: dict[str, Path], name: str
) -> None:
    mask = draw_mask(Path("mask.png"), 64, 64, (10, 20, 40, 50))
    command = ("edit", photo, "a cat", "-m", checkpoints[name], *QUICK)
    whole, masked = run_main(*command, "-o", "whole.png"), run_main(*command, "--mask", "mask.png", "-o", "masked.png")
    assert (whole.code, masked.code) == (0, 0), whole.stderr + masked.stderr
    assert pixels(Path("whole.png")).shape == (64, 64, 3)
    outside, inside = outside_and_inside(photo, Path("masked.png"), mask)
    assert (outside, inside > 3) == (0, True)
    for file, own in {"whole.png": 0.8, "masked.png": 1.0 if name == "inpainting" else 0.8}.items():
        strength = record_of(Path(file))["parameters"].get("strength")
        assert strength == (None if name == "pix2pix" else own)
    assert run_main("rerun", "masked.png", "--verify").stdout == "masked.png: the same\n"


def test_instructions_have_their_own_guidance(run_main: RunMain, photo: Path, checkpoints: dict[str, Path]) -> None:
    command = ("edit", photo, "make it winter", "-m", checkpoints["pix2pix"], *QUICK)
    assert run_main(*command, "-o", "a.png").code == 0
    assert record_of(Path("a.png"))["parameters"]["image_guidance_scale"] == 1.5
    assert run_main(*command, "--image-guidance", "3", "-o", "b.png").code == 0
    assert (pixels(Path("a.png")) != pixels(Path("b.png"))).any()
    refused = run_main(*command, "--strength", "0.5")
    assert (refused.code, "follows instructions, and takes no --strength" in refused.stderr) == (2, True)
    refused = run_main("edit", photo, "x", *TINY, "--image-guidance", "2")
    assert (refused.code, "--image-guidance is for models that follow instructions" in refused.stderr) == (2, True)


def test_flux_and_its_kin(run_main: RunMain, photo: Path, checkpoints: dict[str, Path], flow_pipeline: Path) -> None:
    mask = draw_mask(Path("mask.png"), 64, 64, (10, 20, 40, 50))
    options = ("--steps", "2", "--seed", "1", "--size", "64x64")
    for model in (flow_pipeline, checkpoints["flux_fill"]):
        command = ("edit", photo, "a cat", "-m", model, *options)
        whole, masked = run_main(*command, "-o", "a.png"), run_main(*command, "--mask", "mask.png", "-o", "m.png")
        assert (whole.code, masked.code) == (0, 0), whole.stderr + masked.stderr
        assert pixels(Path("a.png")).shape == (64, 64, 3)
        outside, inside = outside_and_inside(photo, Path("m.png"), mask)
        assert (outside, inside > 3) == (0, True)
        assert run_main("rerun", "m.png", "--verify").stdout == "m.png: the same\n"
    # Kontext sees the picture at a megapixel, whatever it makes, so that it runs once here.
    done = run_main("edit", photo, "a cat", "-m", checkpoints["kontext"], *options, "--mask", "mask.png", "-o", "k.png")
    assert done.code == 0, done.stderr
    assert outside_and_inside(photo, Path("k.png"), mask)[0] == 0
    assert "strength" not in record_of(Path("k.png"))["parameters"]


@pytest.mark.parametrize("pipeline", ["QwenImageEditPipeline", "QwenImageEditPlusPipeline"])
def test_qwen_image_edit_follows_instructions(
    run_main: RunMain, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: str
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as where it is not installed
    model = build_qwen_edit(tmp_path / "qwen", pipeline)
    options = ("-m", model, "--steps", "1", "--seed", "1", "--size", "64x64")
    made = {}
    for name, prompt, more in (
        ("winter", "make it winter", ()),
        ("summer", "a photo of a red circle", ()),
        ("strong", "make it winter", ("--guidance", "9")),
        ("against", "make it winter", ("--negative-prompt", "a dark night")),
    ):
        done = run_main("edit", photo, prompt, *options, *more, "-o", f"{name}.png")
        assert done.code == 0, done.stderr
        made[name] = pixels(Path(f"{name}.png"))
    assert len({picture.tobytes() for picture in made.values()}) == len(made)
    guidance = {name: record_of(Path(f"{name}.png"))["parameters"]["guidance_scale"] for name in made}
    assert guidance == {"winter": 4.0, "summer": 4.0, "strong": 9.0, "against": 4.0}
    assert run_main("rerun", "against.png", "--verify").stdout == "against.png: the same\n"
    refused = run_main("edit", photo, "make it winter", *options, "--strength", "0.5")
    assert (refused.code, "follows instructions, and takes no --strength" in refused.stderr) == (2, True)


def test_a_part_is_changed_by_qwen_and_its_image_model_is_guided_too(
    run_main: RunMain, photo: Path, tmp_path: Path
) -> None:
    model = build_qwen_edit(tmp_path / "qwen")
    mask = draw_mask(Path("mask.png"), 64, 64, (10, 20, 40, 50))
    options = ("-m", model, "--steps", "1", "--seed", "1", "--size", "64x64")
    done = run_main("edit", photo, "make it winter", *options, "--mask", "mask.png", "-o", "m.png")
    assert done.code == 0, done.stderr
    outside, inside = outside_and_inside(photo, Path("m.png"), mask)
    assert (outside, inside > 3) == (0, True)
    useless = run_main("edit", photo, "x", *options, "--guidance", "1", "--negative-prompt", "dark", "-o", "n.png")
    assert "the negative prompt has no effect: guidance is 1, and it works above 1" in useless.stderr
    assert record_of(Path("n.png"))["parameters"]["negative_prompt"] == ""
    update_json(model / "model_index.json", _class_name="QwenImagePipeline", processor=[None, None])
    for name, more in {"a": (), "b": ("--guidance", "4"), "c": ("--guidance", "1")}.items():
        done = run_main("image", "a red circle", *options, *more, "-o", f"{name}.png")
        assert (done.code, "no effect" in done.stderr) == (0, False), done.stderr
    assert (pixels(Path("a.png")) == pixels(Path("b.png"))).all()
    assert (pixels(Path("a.png")) != pixels(Path("c.png"))).any()


def test_models_of_other_kinds_are_named(run_main: RunMain, photo: Path, checkpoints: dict[str, Path]) -> None:
    done = run_main("image", "a cat", "-m", checkpoints["pix2pix"])
    assert (done.code, "genai edit takes it" in done.stderr) == (2, True), done.stderr
    for options, words in {
        ("--strength", "0.33", "--steps", "3"): ("--strength 0.33 of 3 steps leaves none", "--strength 0.34, or more"),
        ("--steps", "1"): ("--strength 0.8 of 1 step leaves none", "--strength 1, or more"),
    }.items():
        done = run_main("edit", photo, "a cat", "-m", checkpoints["stable_diffusion"], *options)
        assert (done.code, [word in done.stderr for word in words]) == (2, [True, True]), done.stderr


# What the arguments mean, and batches


def test_what_the_arguments_mean(run_main: RunMain, photo: Path) -> None:
    for arguments, words in {
        (): "no picture given",
        ("a red circle",): "no picture given",
        ("photo.png",): "'photo.png' is a file, and the last argument says",
        ("a red circle", "photo.png"): "'photo.png' is a file, and the last argument says",
        ("none.png", "a red circle"): "none.png does not exist",
        ("photo.png", " "): "the prompt is empty",
        ("https://example.org/a.png", "x y"): "is not a path",
    }.items():
        done = run_main("edit", *arguments, *TINY)
        assert (done.code, words in done.stderr) == (2, True), (arguments, done.stderr)
    words_alone = run_main("edit", photo, "a", "red", "circle", *TINY, "--dry-run")
    assert "'a red circle' is taken as the prompt" in words_alone.stderr
    piped = run_main("edit", "-", "a red circle", *TINY, "-o", "piped.png", stdin=photo.read_bytes())
    assert (piped.code, piped.stdout) == (0, "piped.png\n"), piped.stderr


def test_many_pictures_and_many_prompts(run_main: RunMain) -> None:
    names = [draw(Path(f"in/{number}.png"), seed=number) for number in range(3)]
    done = run_main("edit", *names, "a red circle", *TINY, "-o", "out/")
    assert done.stdout.splitlines() == [f"out/{number}-a-red-circle-1.png" for number in range(3)], done.stderr
    Path("prompts.txt").write_text("a red circle\na blue square\n")
    several = run_main("edit", names[0], "--prompts", "prompts.txt", *TINY, "-o", "each/")
    assert several.stdout.splitlines() == ["each/0-a-red-circle-1.png", "each/0-a-blue-square-1.png"], several.stderr
    assert (pixels(Path("each/0-a-red-circle-1.png")) == pixels(Path("out/0-a-red-circle-1.png"))).all()
    lines = run_main("edit", names[1], "-", *TINY, "-o", "lines/", stdin="a red circle\na blue square\n")
    assert len(lines.stdout.splitlines()) == 2, lines.stderr
    Path("table.csv").write_text("picture,thing\nin/0.png,circle\nin/1.png,square\n")
    table = run_main("edit", "--prompts", "table.csv", "--template", "a red {thing}", *TINY, "--json", "-o", "table/")
    records = [json.loads(line) for line in table.stdout.splitlines()]
    assert [(one["inputs"]["picture"]["name"], one["prompt"]) for one in records] == [
        ("0.png", "a red circle"),
        ("1.png", "a red square"),
    ], table.stderr
    one_prompt = run_main("edit", "--prompts", "table.csv", "a red star", *TINY, "--dry-run")
    assert (one_prompt.code, "unknown field 'thing'" in one_prompt.stderr) == (2, True)
    column = run_main("edit", "--prompts", "table.csv", "--column", "picture", "a red star", *TINY, "--dry-run")
    assert (column.code, "2 items" in column.stderr) == (0, True), column.stderr
    Path("pictures.txt").write_text("in/0.png\nin/1.png\n")
    listed = run_main("edit", "--prompts", "pictures.txt", "a red star", *TINY, "--dry-run")
    assert (listed.code, "2 items" in listed.stderr) == (0, True), listed.stderr


def test_a_batch_is_resumed_by_content(run_main: RunMain) -> None:
    for number in range(3):
        draw(Path(f"in/{number}.png"), seed=number)
    rows = [{"task": "edit", "picture": f"{number}.png", "prompt": "a red circle", "steps": 2} for number in range(3)]
    jobs = write_rows(Path("in/jobs.jsonl"), rows)
    command = ("batch", jobs, "-m", "tiny", "--seed", "1", "-o", "out/")
    dry = run_main(*command, "--dry-run")
    assert ("3 items (3 edit): 3 to make" in dry.stderr, Path("out").exists()) == (True, False)
    assert run_main(*command, "--limit", "2").code == 0
    assert "1 done, 2 done earlier" in run_main(*command).stderr
    draw(Path("in/1.png"), seed=9)
    assert "1 done, 2 done earlier" in run_main(*command).stderr
    Path("in/0.png").rename("in/renamed.png")
    rows[0]["picture"] = "renamed.png"
    write_rows(jobs, rows)
    assert "0 done, 3 done earlier" in run_main(*command).stderr
    assert len(manifest(Path("out"))) == 4
    bad = write_rows(Path("bad.jsonl"), [{"task": "edit", "picture": "in/1.png"}, {"task": "edit", "prompt": "x"}])
    refused = run_main("batch", bad, "-o", "no/")
    assert "bad.jsonl:1: no field 'prompt'" in refused.stderr
    assert "bad.jsonl:2: no field 'picture'" in refused.stderr


def test_a_picture_is_encoded_once(run_main: RunMain, photo: Path, stable_diffusion: Path) -> None:
    from diffusers.models.autoencoders.vae import Encoder

    calls: list[int] = []
    plain = Encoder.forward

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        calls.append(1)
        return plain(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Encoder, "forward", counted)
        done = run_main("edit", photo, "a cat", "-m", stable_diffusion, "-n", "3", *QUICK, "-o", "out/")
    assert (done.code, len(done.stdout.splitlines())) == (0, 3)
    assert len(calls) == 1
    made = [pixels(Path(line)) for line in done.stdout.splitlines()]
    assert (made[0] != made[1]).any()


def test_hostile_pictures_are_refused(run_main: RunMain, photo: Path) -> None:
    Path("text.png").write_text("no picture")
    Path("cut.png").write_bytes(photo.read_bytes()[:3000])
    for name, words in {"text.png": "not a picture of a known type", "cut.png": "truncated"}.items():
        done = run_main("edit", name, "a red circle", *TINY)
        assert (done.code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done.stderr
        assert f"{name} cannot be read: " in done.stderr
        assert words in done.stderr
    some = run_main("edit", "text.png", photo, "a red circle", *TINY, "-o", "out/")
    assert (some.code, len(some.stdout.splitlines())) == (3, 1)


def test_image_starts_from_a_picture_as_edit_does(run_main: RunMain, photo: Path) -> None:
    options = (*TINY, "--strength", "0.6")
    assert run_main("image", "a red circle", "--from", photo, *options, "-o", "a.png").code == 0
    assert run_main("edit", photo, "a red circle", *options, "-o", "b.png").code == 0
    assert (pixels(Path("a.png")) == pixels(Path("b.png"))).all()
    assert source_type(embedded_xmp(Path("a.png"))) == COMPOSITE
    record = record_of(Path("a.png"))
    assert (record["task"], record["inputs"]["picture"]["name"]) == ("image", "photo.png")
    assert run_main("rerun", "a.png", "--verify").stdout == "a.png: the same\n"
    write_rows(Path("jobs.jsonl"), [{"task": "image", "from": "photo.png", "prompt": "a red circle", "steps": 3}])
    assert run_main("batch", "jobs.jsonl", "-m", "tiny", "-o", "out/").code == 0
    refused = run_main("image", "a red circle", *options)
    assert (refused.code, "--strength is about a picture to start from" in refused.stderr) == (2, True)


def test_pictures_of_one_size_are_made_at_once(run_main: RunMain, stable_diffusion: Path) -> None:
    """As a GPU makes them: a group is as good as its items, but for the last digits of sums in another order."""
    from genai_cli.device.spec import ModelSpec, Placing
    from genai_cli.events import ignore
    from genai_cli.hub.access import Access
    from genai_cli.hub.reference import ModelReference
    from genai_cli.modality.edit import EditRequest
    from genai_cli.request.input import Input
    from genai_cli.work.assignment import Hints
    from genai_cli.work.loaded_model import LoadedModel, ModelSource

    del run_main
    paths = [draw(Path(f"{number}.png"), seed=number) for number in range(3)]
    asked: dict[str, Any] = {"model": "m", "prompt": "a cat", "num_inference_steps": 3}
    requests = [EditRequest(picture=Input.read(path, path.name), seed=seed, **asked) for seed, path in enumerate(paths)]
    assert len({request.batch_key() for request in requests}) == 1
    wide = draw(Path("wide.png"), 96, 64)
    assert EditRequest(picture=Input.read(wide, "wide.png"), **asked).batch_key() != requests[0].batch_key()
    spec = ModelSpec("edit", ModelReference("m", folder=stable_diffusion), placing=Placing(device="cpu"))
    loaded = LoadedModel(ModelSource(spec, Access(), ignore), Hints(items=3), ignore)
    together = loaded.model.generate(requests, ignore)
    for request, result in zip(requests, together, strict=True):
        (alone,) = loaded.model.generate([request], ignore)
        assert np.abs(result.content.pixels.astype(int) - alone.content.pixels).max() <= 2
