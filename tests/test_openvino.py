"""--compiler openvino: pictures by OpenVINO's networks, which are kept; and torch's wherever those are not right."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy
import pytest
import torch
from adapter_files import write_kohya
from conftest import Genai, RunMain, read_records, write_rows
from PIL import Image

from genai_cli.device import compilers
from genai_cli.device.call_form import CallForm, Slot, UnsuitableCall
from genai_cli.device.compile_times import build_times_key, find_times_file

pytestmark = [
    pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed"),
    pytest.mark.usefixtures("cache"),
]

BASE = ("--steps", "2", "--seed", "1", "--json", "-v")
BY_OPENVINO = (*BASE, "--compiler", "openvino")


def read_pixels(path: str | Path) -> numpy.ndarray:
    return numpy.asarray(Image.open(path)).astype(float)


def measure_psnr(one: numpy.ndarray, other: numpy.ndarray) -> float:
    return float(10 * numpy.log10(255**2 / max(1e-9, ((one - other) ** 2).mean())))


def test_pictures_of_all_sizes_prompts_and_guidance_are_those_of_torch(
    run_main: RunMain, stable_diffusion: Path, cache: Path
) -> None:
    long = "a cat " * 90
    rows = write_rows(
        Path("rows.jsonl"),
        [
            {"prompt": "a cat"},
            {"prompt": "a cat", "width": 128, "height": 64},
            {"prompt": long, "weights": True},
            {"prompt": "a cat", "guidance": 1},
            {"prompt": "a cat", "scheduler": "euler"},
        ],
    )
    command = ["image", "--prompts", rows, "-m", stable_diffusion]
    plain = read_records(run_main(*command, *BASE, "-o", "plain/"))
    done = run_main(*command, *BY_OPENVINO, "-o", "first/")
    first = read_records(done)
    assert "openvino: the unet was converted and kept" in done.stderr
    done = run_main(*command, *BY_OPENVINO, "-o", "second/")
    second = read_records(done)
    assert "openvino: the unet was read from what was kept" in done.stderr
    assert "openvino: the vae decoder was read" in done.stderr
    for a, b, c in zip(plain, first, second, strict=True):
        assert a["key"] == b["key"]
        assert (b["compiled"], b["compiler"], "openvino" in b["libraries"]) == (True, "openvino", True)  # type: ignore[operator]
        ours, theirs = read_pixels(str(b["file"])), read_pixels(str(a["file"]))
        assert measure_psnr(ours, theirs) > 50
        assert b["content_sha256"] == c["content_sha256"]
    # One network for all sizes, prompts and guidance, one for euler, whose steps are not whole numbers; the decoder.
    assert len(list(cache.glob("[!.]*"))) == 3
    key = build_times_key("image", "defaultxdefault, 2 steps of default", str(stable_diffusion), "cpu", "openvino")
    assert json.loads(find_times_file().read_text())[key]["compiled"] > 0


def test_networks_are_listed_and_removed_like_small_weights(
    run_main: RunMain, stable_diffusion: Path, cache: Path
) -> None:
    read_records(run_main("image", "a cat", "-m", stable_diffusion, *BY_OPENVINO, "-o", "a.png"))
    listed = run_main("models", "list").stdout
    assert "openvino unet float32, made here" in listed
    assert "openvino vae decoder float32, made here" in listed
    assert run_main("models", "remove", stable_diffusion).code == 0
    assert not list(cache.glob("*"))


def test_a_damaged_network_is_made_again(run_main: RunMain, stable_diffusion: Path, cache: Path) -> None:
    command = ["image", "a cat", "-m", stable_diffusion, *BY_OPENVINO]
    (whole,) = read_records(run_main(*command, "-o", "whole.png"))
    folder = next(path.parent for path in cache.glob("*/about.json") if "unet" in path.read_text())
    weights = folder / "network.bin"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1000])
    done = run_main(*command, "-o", "cut.png")
    assert "the unet was converted and kept" in done.stderr
    assert read_records(done)[0]["content_sha256"] == whole["content_sha256"]
    weights.write_bytes(bytes(len(content)))  # as long as it was; the first step of a new size tells
    done = run_main(*command, "--size", "96x64", "-o", "zeros.png")
    assert "the unet was converted and kept" in done.stderr
    assert read_records(done)[0]["compiled"] is True
    plain = ["image", "a cat", "-m", stable_diffusion, *BASE, "--size", "96x64", "-o", "plain.png"]
    assert read_records(run_main(*plain))
    assert measure_psnr(read_pixels("zeros.png"), read_pixels("plain.png")) > 50


def test_what_changes_the_weights_is_torch_s(run_main: RunMain, stable_diffusion: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    lora = write_kohya(stable_diffusion, tmp_path / "style.safetensors")
    rows = write_rows(Path("rows.jsonl"), [{"prompt": "a cat", "lora": [str(lora)]}, {"prompt": "a cat"}])
    command = ["image", "--prompts", rows, "-m", stable_diffusion]
    done = run_main(*command, *BY_OPENVINO, "-o", "ours/")
    changed, own = read_records(done)
    assert done.stderr.count("runs as it is: unet: a LoRA changes its weights") == 1
    assert (changed["compiled"], own["compiled"]) == (False, True)
    theirs = read_records(run_main(*command, *BASE, "-o", "theirs/"))
    for a, b in zip((changed, own), theirs, strict=True):
        assert measure_psnr(read_pixels(str(a["file"])), read_pixels(str(b["file"]))) > 50


def test_where_openvino_fails_the_model_runs_as_it_is(
    run_main: RunMain, stable_diffusion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from genai_cli.device import openvino_network

    def fail(*_: object) -> None:
        raise RuntimeError("no such layer")

    monkeypatch.setattr(openvino_network, "convert", fail)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = run_main("image", "a cat", "-m", stable_diffusion, *BY_OPENVINO, "-o", "ours.png")
    (record,) = read_records(done)
    assert done.stderr.count("could not be compiled and runs as it is: unet: RuntimeError: no such layer") == 1
    assert record["compiled"] is False
    assert "compiler" not in record
    plain = run_main("image", "a cat", "-m", stable_diffusion, *BASE, "-o", "plain.png")
    assert read_records(plain)[0]["content_sha256"] == record["content_sha256"]


def test_a_result_is_made_again_with_the_same_compiler(genai: Genai, stable_diffusion: Path) -> None:
    """In processes, with one thread and with two."""
    for threads in ("1", "2"):
        env = {"OMP_NUM_THREADS": threads, "GENAI_COMPILER": "openvino"}
        done = genai("image", "a cat", "-m", stable_diffusion, "--steps", "2", "-o", f"{threads}.png", env=env)
        assert done.code == 0, done.stderr
        env.pop("GENAI_COMPILER")
        done = genai("rerun", f"{threads}.png", "--verify", "-v", env=env)
        assert (done.code, f"{threads}.png: the same" in done.stdout) == (0, True), done.stderr
        assert "compiled: by openvino" in done.stderr


def test_other_pipelines_and_dtypes(run_main: RunMain, flow_pipeline: Path, cache: Path) -> None:
    for dtype, least in (("float32", 50), ("bfloat16", 30)):
        command = ["image", "a cat", "-m", flow_pipeline, "--dtype", dtype]
        done = run_main(*command, *BY_OPENVINO, "-o", f"{dtype}.png")
        assert read_records(done)[0]["compiled"] is True, done.stderr
        assert "the transformer was converted" in done.stderr
        read_records(run_main(*command, *BASE, "-o", f"{dtype}-plain.png"))
        assert measure_psnr(read_pixels(f"{dtype}.png"), read_pixels(f"{dtype}-plain.png")) > least


def test_what_it_is_not_for_is_refused_in_one_line(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> None:
    image = ["image", "a cat", "-m", "tiny", "--compiler", "openvino"]
    for command, words in (
        ([*image, "--device", "cuda"], "--compiler openvino works on a cpu, and not on cuda"),
        ([*image, "--device", "mps"], "not on mps"),
        (["classify", "good", "-m", "tiny", "--compiler", "openvino"], "--compiler openvino is not for classify"),
        ([*image[:-1], "openvin"], "unknown compiler 'openvin'"),
    ):
        done = run_main(*command)
        assert (done.code, done.stdout) == (2, "")
        assert words in done.stderr
    monkeypatch.setenv("GENAI_COMPILER", "openvino")  # a default is for the tasks that it serves
    done = run_main("classify", "good", "-m", "tiny", "-v")
    assert (done.code, "compiled: no, classify is never compiled" in done.stderr) == (0, True)
    done = run_main("image", "a red circle", "-m", "tiny", "--steps", "1", "--no-compile", "-v", "-o", "a.png")
    assert (done.code, "compiled: no, asked for" in done.stderr) == (0, True)
    monkeypatch.setattr(compilers, "find_spec", lambda _name: None)
    done = run_main(*image)
    assert done.code == 2
    assert "needs openvino, which is not installed" in done.stderr
    assert "pip install 'genai-cli[openvino]'" in done.stderr


def test_openvino_sends_no_reports() -> None:
    from genai_cli.device.openvino_network import load_openvino

    load_openvino()
    from openvino.tools.ovc import telemetry_stub, telemetry_utils

    assert telemetry_utils.tm is telemetry_stub


def test_a_form_holds_what_is_the_same_at_each_step() -> None:
    first, second = torch.ones(2, 3), torch.tensor(5)
    named = {"timestep": second, "more": {"ids": first, "none": None}, "dict": False}
    form, tensors = CallForm.take((first,), named)
    assert form.named["timestep"] == Slot(1, "int64", 0)
    assert form == CallForm.take((first + 1,), named)[0]
    assert form.fill(tensors) == ([first], named)
    for changing in (0.5, 3, [first], (first,)):
        with pytest.raises(UnsuitableCall):
            CallForm.take((first,), {"residuals": changing})
