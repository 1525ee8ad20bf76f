"""genai image and edit --control: pictures guide others, on checkpoints in the layouts of SD, SDXL and ControlNet."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from checkpoint_parts import update_json
from checkpoints_control import build_control_net, build_depth_anything, build_union, write_original
from checkpoints_edits import build_inpainting
from checkpoints_pictures import build_pixart
from conftest import Build, Genai, RunMain, write_rows
from loopback_hub import LoopbackHub
from numpy.typing import NDArray
from PIL import Image
from readers import pixels, png_texts, record_of
from safetensors.torch import load_file, save_file

from genai_cli.content.foreign import read_parameters
from genai_cli.hub.hashes import hash_file
from genai_cli.modality.diffusion.control_maps import find_edges, show_depth
from genai_cli.modality.image import ImageRequest

QUICK = ("--steps", "2", "--seed", "1", "--dtype", "float32", "--variant", "none", "--no-safety")


@pytest.fixture(scope="module")
def net(stable_diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ControlNet for Stable Diffusion."""
    return build_control_net(tmp_path_factory.mktemp("nets") / "edges", stable_diffusion)


@pytest.fixture(scope="module")
def depth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that estimates depth."""
    return build_depth_anything(tmp_path_factory.mktemp("depth") / "near")


@pytest.fixture
def scene(run_main: RunMain) -> Path:
    """A box before a wall, 64x64, in the current folder."""
    return draw_scene(Path("scene.png"), 16)


def draw_scene(path: Path, left: int, width: int = 64) -> Path:
    """A picture with a box in it."""
    path.parent.mkdir(exist_ok=True)
    values = np.full((64, width, 3), 30, np.uint8)
    values[16:48, left : left + 24] = (220, 90, 20)
    Image.fromarray(values).save(path)
    return path


def make(run_main: RunMain, model: Path, name: str, *options: object) -> NDArray[np.int16]:
    """The pixels that a command makes."""
    done = run_main("image", "a cat", "-m", model, *QUICK, *map(str, options), "-o", name)
    assert (done.code, done.stderr) == (0, ""), done.stderr
    return pixels(Path(name)).astype(np.int16)


def test_edges_guide_a_picture(run_main: RunMain, stable_diffusion: Path, net: Path, scene: Path) -> None:
    plain = make(run_main, stable_diffusion, "plain.png")
    made = make(run_main, stable_diffusion, "made.png", "--control", f"canny:{net}={scene}")
    assert np.abs(made - plain).max() > 10
    edges = cv2.Canny(pixels(scene), 100, 200)
    assert 60 < (edges == 255).sum() < 200
    assert (find_edges(pixels(scene)) == edges).all()
    Image.fromarray(edges).save("edges.png")
    ready = make(run_main, stable_diffusion, "ready.png", "--control", f"{net}=edges.png")
    assert (ready == made).all()
    moved = draw_scene(Path("moved.png"), 36)
    other = make(run_main, stable_diffusion, "other.png", "--control", f"canny:{net}={moved}")
    assert np.abs(other - made).max() > 10
    off = make(run_main, stable_diffusion, "off.png", "--control", f"canny:{net}={scene}", "--control-scale", "0")
    assert (off == plain).all()


def test_the_record_and_what_makes_it_again(
    run_main: RunMain, stable_diffusion: Path, net: Path, scene: Path, tmp_path: Path
) -> None:
    shutil.copytree(net, "edges")
    make(run_main, stable_diffusion, "made.png", "--control", f"canny:edges={scene}", "--control-scale", "0.7")
    record = record_of(Path("made.png"))
    assert record["inputs"]["control"]["sha256"] == hash_file(scene)
    stated = record["adapters"]["control"]
    weights = hash_file(net / "diffusion_pytorch_model.safetensors")
    name = "edges/diffusion_pytorch_model.safetensors"
    assert stated == [{"name": name, "sha256": weights, "kind": "canny", "input": "control"}]
    assert record["parameters"]["control_scale"] == [0.7]
    text = png_texts(Path("made.png"))["parameters"]
    assert f'ControlNet 0: "Module: canny, Model: edges [{weights[:8]}], Weight: 0.7"' in text
    foreign = read_parameters(text)
    assert foreign is not None
    assert foreign.request["num_inference_steps"] == 2
    done = run_main("rerun", "made.png", "--verify")
    assert (done.code, done.stdout) == (0, "made.png: the same\n"), done.stderr
    scene.rename(tmp_path / "away.png")
    lost = run_main("rerun", "made.png", "--verify")
    assert (lost.code, "'scene.png'" in lost.stderr) == (2, True), lost.stderr
    done = run_main("rerun", "made.png", "--verify", "--input", tmp_path / "away.png")
    assert (done.code, done.stdout) == (0, "made.png: the same\n"), done.stderr
    draw_scene(Path("wide.png"), 36, width=128)
    assert run_main("rerun", "made.png", "--control", "canny:edges=wide.png", "-o", "wide-made.png").code == 0
    assert pixels(Path("wide-made.png")).shape == (48, 88, 3)  # the aspect of the picture that guides
    made = run_main(
        "image", "a cat", "-m", stable_diffusion, *QUICK, "--control", "canny:edges=wide.png", "--width", 64
    )
    assert made.code == 0, made.stderr


def test_depth_is_estimated(
    run_main: RunMain, stable_diffusion: Path, net: Path, depth: Path, scene: Path, tmp_path: Path
) -> None:
    from genai_cli.device.depth import DepthModel
    from genai_cli.device.placement import Placement

    near = DepthModel(depth / "model.safetensors", Placement("cpu", "float32", "", "")).estimate(pixels(scene))
    assert (near.shape, near.std() > 0) == ((64, 64), True)
    shown = show_depth(near)
    assert (shown.min(), shown.max()) == (0, 255)
    assert shown[near == near.max()].min() == 255
    Image.fromarray(shown).save("depth.png")
    ready = make(run_main, stable_diffusion, "ready.png", "--control", f"{net}=depth.png")
    options = ("--control", f"depth:{net}={scene}", "--depth-model", depth)
    assert (make(run_main, stable_diffusion, "made.png", *options) == ready).all()
    stated = record_of(Path("made.png"))["adapters"]["depth_model"]
    assert stated == [{"name": "near/model.safetensors", "sha256": hash_file(depth / "model.safetensors")}]
    done = run_main("rerun", "made.png", "--verify", "--lora-dir", depth.parents[1])
    assert (done.code, done.stdout) == (0, "made.png: the same\n"), done.stderr
    two = ("--control", f"{net}=depth.png", "--control", f"canny:{net}={scene}")
    both = make(run_main, stable_diffusion, "both.png", *two, "--control-scale", "0.5", "--control-scale", "0")
    one = make(run_main, stable_diffusion, "one.png", *two[:2], "--control-scale", "0.5")
    assert np.abs(both - one).max() <= 1
    inputs = record_of(Path("both.png"))["inputs"]
    assert [inputs[name]["name"] for name in ("control", "control_2")] == ["depth.png", "scene.png"]


def test_rows_have_their_own_and_are_resumed_by_content(run_main: RunMain, stable_diffusion: Path, net: Path) -> None:
    draw_scene(Path("in/a.png"), 10)
    draw_scene(Path("in/b.png"), 30)
    shutil.copytree(net, "in/net")
    rows: list[dict[str, object]] = [
        {"control": "canny:net=a.png"},
        {},
        {"control": ["canny:net=b.png", "net=a.png"], "control_scale": [0.5, 0.2]},
        {"control": "canny:net=b.png", "control_scale": 0.5},
    ]
    write_rows(Path("in/rows.jsonl"), [{"prompt": "a cat", **row} for row in rows])
    command = ("image", "--prompts", "in/rows.jsonl", "-m", stable_diffusion, *QUICK, "-o", "{index}.png")
    done = run_main(*command, "-v")
    assert (done.code, done.stderr.count("loaded in")) == (0, 1), done.stderr
    assert (
        pixels(Path("0.png")) == make(run_main, stable_diffusion, "x.png", "--control", "canny:in/net=in/a.png")
    ).all()
    assert (pixels(Path("1.png")) == make(run_main, stable_diffusion, "y.png")).all()
    Path("in/a.png").rename("in/c.png")
    write_rows(Path("in/rows.jsonl"), [{"prompt": "a cat", "control": "canny:net=c.png"}])
    assert "1 done earlier" in run_main(*command).stderr
    draw_scene(Path("in/c.png"), 11)
    dry = run_main(*command, "--dry-run")
    assert (dry.code, "1 to make" in dry.stderr) == (0, True), dry.stderr


def test_a_picture_travels_to_a_worker(stable_diffusion: Path, net: Path, scene: Path) -> None:
    fields = {"prompt": "a cat", "model": str(stable_diffusion), "control": f"canny:{net}={scene}"}
    request = ImageRequest.from_fields(fields).carry()
    held = scene.read_bytes()
    scene.unlink()
    picture = request.control[0].picture
    assert picture is not None
    with picture.open() as stream:
        assert stream.read() == held
    assert request.inputs()["control"] is picture


def test_an_edit_is_guided_too(run_main: RunMain, stable_diffusion: Path, net: Path, scene: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save("photo.png")
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 255
    Image.fromarray(mask).save("mask.png")
    guided = ("--control", f"canny:{net}={scene}")
    edit = ("edit", "photo.png", "a cat", "-m", stable_diffusion, *QUICK)
    made = {}
    for name, options in {"plain": (), "whole": guided, "part": (*guided, "--mask", "mask.png")}.items():
        done = run_main(*edit, *options, "-o", f"{name}.png")
        assert (done.code, done.stderr) == (0, ""), done.stderr
        made[name] = pixels(Path(f"{name}.png")).astype(int)
    assert np.abs(made["whole"] - made["plain"]).max() > 10
    assert (made["part"][:, :32] == pixels(Path("photo.png"))[:, :32]).all()
    shutil.copytree(net, "edges")
    again = run_main("rerun", "part.png", "whole.png", "--verify", "--lora-dir", net.parent)
    assert again.stdout.splitlines() == ["part.png: the same", "whole.png: the same"], again.stderr
    start = run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--from", "photo.png", *guided, "-o", "from.png")
    assert (start.code, (pixels(Path("from.png")) == made["whole"]).all()) == (0, True), start.stderr
    draw_scene(Path("wide.png"), 10, width=128)
    done = run_main(*edit, "--control", f"canny:{net}=wide.png")
    assert (done.code, "the control wide.png is 128x64, and the picture 64x64" in done.stderr) == (2, True), done.stderr


def test_what_does_not_fit_is_refused(
    run_main: RunMain, build: Build, stable_diffusion: Path, net: Path, scene: Path, tmp_path: Path
) -> None:
    xl = build("sdxl", second=48)
    own = build_control_net(tmp_path / "xl", xl)
    make(run_main, xl, "xl.png", "--control", f"canny:{own}={scene}")
    pixart, fill = build_pixart(tmp_path / "pixart"), build_inpainting(tmp_path / "fill")
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save("photo.png")
    Path("no.png").write_text("no picture")
    shutil.copytree(net, tmp_path / "other")
    update_json(tmp_path / "other" / "config.json", _class_name="SparseControlNetModel")
    own_alone = shutil.copy(own / "diffusion_pytorch_model.safetensors", tmp_path / "alone.safetensors")
    for name in ("lora_controlnet", "lllite_unet_down.weight", "adapter.body.0.weight"):
        save_file({name: torch.zeros(1), "input_hint_block.0.weight": torch.zeros(1)}, f"{name}.safetensors")
    shutil.copytree(stable_diffusion / "vae", tmp_path / "vae")
    features = "it has 80 features of the text, and the model 32"
    cases: list[tuple[Path | str, str, str]] = [
        (stable_diffusion, f"canny:{own}={scene}", f"does not fit {stable_diffusion}: {features}"),
        ("tiny", f"canny:{net}={scene}", "does not fit tiny: it has 32 features of the text"),
        (pixart, f"canny:{net}={scene}", "takes no --control: PixArtAlphaPipeline"),
        (stable_diffusion, f"{tmp_path / 'other'}={scene}", "is a SparseControlNetModel"),
        (stable_diffusion, f"{own_alone}={scene}", f"does not fit {stable_diffusion}: {features}"),
        (stable_diffusion, f"lora_controlnet.safetensors={scene}", "is a Control-LoRA, and a ControlNet is asked for"),
        (stable_diffusion, f"lllite_unet_down.weight.safetensors={scene}", "is a ControlNet-LLLite"),
        (stable_diffusion, f"adapter.body.0.weight.safetensors={scene}", "is a T2I-Adapter"),
        (stable_diffusion, f"{tmp_path / 'vae'}={scene}", "is a VAE, and a ControlNet is asked for"),
        (stable_diffusion, f"canny={scene}", f"genai does not know a ControlNet canny for {stable_diffusion}"),
        ("tiny", f"depth={scene}", "genai does not know a ControlNet depth for tiny"),
        (stable_diffusion, f"cany={scene}", "there is no ControlNet 'cany'"),
        (stable_diffusion, f"{net}=none.png", "none.png does not exist"),
        (stable_diffusion, str(net), "--control must be NAME=FILE"),
        (stable_diffusion, f"{net}=no.png", "no.png"),
        (stable_diffusion, f"pose:{net}=photo.png", "photo.png is not a skeleton on black"),
    ]
    for model, control, words in cases:
        done = run_main("image", "a cat", "-m", model, *QUICK, "--control", control)
        assert (done.code, done.stdout, words in done.stderr) == (2, "", True), done.stderr
    done = run_main("edit", "photo.png", "a cat", "-m", fill, *QUICK, "--control", f"{net}={scene}")
    assert (done.code, "takes no --control" in done.stderr) == (2, True), done.stderr
    guided = ("image", "a cat", "-m", stable_diffusion, *QUICK, "--control", f"{net}={scene}")
    for options in (
        ("--control-scale", "11"),
        ("--control-scale", "1", "--control-scale", "2"),
        ("--depth-model", net),
    ):
        assert run_main(*guided, *options).code == 2
    assert run_main("image", "a cat", "-m", stable_diffusion, "--control-scale", "1").code == 2
    Image.fromarray(find_edges(pixels(scene))).save("skeleton.png")
    make(run_main, stable_diffusion, "pose.png", "--control", f"pose:{net}=skeleton.png")


def test_a_control_net_in_one_file(
    run_main: RunMain, build: Build, stable_diffusion: Path, net: Path, scene: Path
) -> None:
    """The release's names with and without a prefix, and those of diffusers alone, give what the folder gives."""
    folder = make(run_main, stable_diffusion, "folder.png", "--control", f"canny:{net}={scene}")
    shutil.copy(net / "diffusion_pytorch_model.safetensors", "bare.safetensors")
    write_original(net, Path("control_sd15.safetensors"))
    write_original(net, Path("short.safetensors"), prefix="")
    for file in ("bare", "control_sd15", "short"):
        made = make(run_main, stable_diffusion, f"{file}.png", "--control", f"canny:{file}.safetensors={scene}")
        assert (made == folder).all(), file
        assert run_main("rerun", f"{file}.png", "--verify").stdout == f"{file}.png: the same\n"
    xl = build("sdxl", second=48)
    own = build_control_net(Path("xl"), xl)
    whole = make(run_main, xl, "a.png", "--control", f"canny:{own}={scene}")
    shutil.copy(own / "diffusion_pytorch_model.safetensors", "xl.safetensors")
    assert (make(run_main, xl, "b.png", "--control", f"canny:xl.safetensors={scene}") == whole).all()


def test_what_of_a_control_net_is_missing_is_said(
    run_main: RunMain, stable_diffusion: Path, net: Path, scene: Path
) -> None:
    write_original(net, Path("whole.safetensors"))
    tensors = load_file("whole.safetensors")
    del tensors["control_model.time_embed.2.weight"]
    save_file(tensors, "half.safetensors")
    done = run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--control", f"half.safetensors={scene}")
    words = "the ControlNet half.safetensors lacks weights that one for this model has"
    assert (done.code, words in done.stderr) == (4, True), done.stderr
    tensors = load_file(net / "diffusion_pytorch_model.safetensors")
    del tensors["time_embedding.linear_2.weight"]
    save_file(tensors, "part.safetensors")
    done = run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--control", f"part.safetensors={scene}")
    assert (done.code, "could not be loaded" in done.stderr) == (4, True), done.stderr
    assert "its config.json belongs beside it" in done.stderr


def test_a_union_control_net_is_told_what_the_map_shows(
    run_main: RunMain, build: Build, stable_diffusion: Path, net: Path, scene: Path
) -> None:
    xl = build("sdxl", second=48)
    union = build_union(Path("union"), xl)
    canny = make(run_main, xl, "canny.png", "--control", f"canny:{union}={scene}")
    plain = make(run_main, xl, "plain.png")
    assert np.abs(canny - plain).max() > 10
    Image.fromarray(find_edges(pixels(scene))).save("edges.png")
    pose = make(run_main, xl, "pose.png", "--control", f"pose:{union}=edges.png")
    assert (pose != canny).any()  # the same map, of another kind
    two = ("--control", f"canny:{union}={scene}", "--control", f"pose:{union}=edges.png")
    both = make(run_main, xl, "both.png", *two, "--control-scale", "0.6", "--control-scale", "0.3")
    assert (both != canny).any()
    for name in ("canny.png", "both.png"):
        assert run_main("rerun", name, "--verify").stdout == f"{name}: the same\n"
    shutil.copy(union / "diffusion_pytorch_model.safetensors", "promax.safetensors")
    alone = make(run_main, xl, "alone.png", "--control", f"canny:promax.safetensors={scene}")
    assert (alone == canny).all()
    edit = run_main("edit", scene, "a cat", "-m", xl, *QUICK, "--control", f"canny:{union}={scene}", "-o", "edit.png")
    assert edit.code == 0, edit.stderr
    own = build_control_net(Path("own"), xl)
    for model, controls, words in (
        (xl, (f"{union}=edges.png",), "must know what a map shows\nhint: pose:union/"),
        (xl, (f"canny:{union}={scene}", f"canny:{own}={scene}"), "is a Union ControlNet, which guides alone"),
        (stable_diffusion, (f"canny:{union}={scene}",), "does not fit"),
    ):
        options = [part for control in controls for part in ("--control", control)]
        done = run_main("image", "a cat", "-m", model, *QUICK, *options)
        assert (done.code, words in done.stderr) == (2, True), done.stderr


def test_edges_need_a_library(
    run_main: RunMain, stable_diffusion: Path, net: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genai_cli.modality.diffusion.controlled.find_spec", lambda _: None)
    done = run_main("image", "a cat", "-m", stable_diffusion, *QUICK, "--control", f"canny:{net}={scene}")
    assert (done.code, "pip install 'genai-cli[control]'" in done.stderr) == (2, True), done.stderr
    make(run_main, stable_diffusion, "ready.png", "--control", f"{net}={scene}")


def test_the_names_stand_for_repositories_of_the_hub(
    genai: Genai, hub: LoopbackHub, build: Build, depth: Path, tmp_path: Path
) -> None:
    """The width of the text that the model reads tells which are meant; then all is at hand without a network."""
    xl = build("sdxl", second=736)
    hub.add("owner/model", xl)
    scene = draw_scene(genai.cwd / "scene.png", 16)
    commit = hub.add("lllyasviel/control_v11p_sd15_canny", build_control_net(tmp_path / "canny", xl))
    hub.add("lllyasviel/control_v11f1p_sd15_depth", build_control_net(tmp_path / "depth", xl, seed=1))
    hub.add("depth-anything/Depth-Anything-V2-Small-hf", depth)
    two = ("--control", f"canny={scene.name}", "--control", f"depth={scene.name}")
    done = genai("image", "a cat", "-m", "owner/model", *QUICK, *two, "-o", "made.png")
    assert done.code == 0, done.stderr
    adapters = record_of(genai.cwd / "made.png")["adapters"]
    first, second = adapters["control"]
    assert (first["name"], first["revision"]) == ("lllyasviel/control_v11p_sd15_canny", commit)
    assert second["name"] == "lllyasviel/control_v11f1p_sd15_depth"
    assert adapters["depth_model"][0]["name"] == "depth-anything/Depth-Anything-V2-Small-hf"
    hub.requests.clear()
    done = genai("rerun", "--verify", "made.png", "--offline")
    assert (done.code, done.stdout, hub.requests) == (0, "made.png: the same\n", []), done.stderr
