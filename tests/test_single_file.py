"""genai image -m FILE.safetensors: checkpoints in one file, told apart by their weights, without any network."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from conftest import Build, Genai, RunMain
from loopback_hub import LoopbackHub
from readers import pixels, png_texts, record_of
from safetensors.torch import load_file, save_file

from genai_cli.hub.hashes import hash_file
from tools.bench.checkpoints.single_file import convert_vae, write_single_file

QUICK = ["--steps", "2", "--seed", "1", "--dtype", "float32"]
FOLDER = ["--variant", "none"]


@pytest.fixture(scope="module")
def xl(build: Build) -> Path:
    """SDXL whose two text encoders have different widths, as the real one's."""
    return build("sdxl", second=48)


def write_layouts(place: Path, folders: Mapping[str, Path]) -> Path:
    """What the package has for the releases, for small checkpoints: the folders without weights."""
    for name, folder in folders.items():
        ignored = shutil.ignore_patterns("*.safetensors", "*.bin", "*.ckpt", "safety_checker", "feature_extractor")
        shutil.copytree(folder, place / name, ignore=ignored)
        index = json.loads((place / name / "model_index.json").read_text())
        for part in ("safety_checker", "feature_extractor"):
            if part in index:
                index[part] = [None, None]
        (place / name / "model_index.json").write_text(json.dumps(index))
    return place


@pytest.fixture(scope="module")
def files(stable_diffusion: Path, xl: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints in one file, and what the package has for the releases, for these small ones."""
    place = tmp_path_factory.mktemp("single")
    write_single_file(stable_diffusion, place / "one.safetensors")
    write_single_file(stable_diffusion, place / "half.safetensors", fp16=True)
    write_single_file(stable_diffusion, place / "bare.safetensors", vae=False)
    write_single_file(stable_diffusion, place / "two.safetensors", open_clip=True)
    write_single_file(xl, place / "xl.safetensors")
    save_file(convert_vae(stable_diffusion, prefix=""), place / "vae.safetensors")
    write_layouts(place / "layouts", {"sd1": stable_diffusion, "sd2": stable_diffusion, "sdxl": xl})
    return place


@pytest.fixture
def layouts(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The configurations of the small checkpoints take the place of the releases'."""
    for module in ("single_file", "fetching"):
        monkeypatch.setattr(f"genai_cli.hub.{module}.LAYOUTS", files / "layouts")
    yield files


def test_a_file_gives_the_pixels_of_its_folder(
    run_main: RunMain, layouts: Path, stable_diffusion: Path, xl: Path
) -> None:
    for name, folder in (("one", stable_diffusion), ("xl", xl)):
        done = run_main("image", "a cat", "-m", layouts / f"{name}.safetensors", *QUICK, "-o", "file.png")
        assert done.code == 0, done.stderr
        unsafe = ["--no-safety"] if name == "one" else []  # a single file holds no safety checker
        assert run_main("image", "a cat", "-m", folder, *QUICK, *FOLDER, *unsafe, "-o", "folder.png").code == 0
        assert (pixels(Path("file.png")) == pixels(Path("folder.png"))).all()
    model = record_of(Path("file.png"))["model"]
    sha256 = hash_file(layouts / "xl.safetensors")
    assert (model["id"], model["revision"]) == (str(layouts / "xl.safetensors"), sha256)
    assert f"Model: xl, Model hash: {sha256[:10]}" in png_texts(Path("file.png"))["parameters"]


def test_half_precision_and_the_names_of_2x(run_main: RunMain, layouts: Path) -> None:
    for name in ("half", "two"):
        done = run_main("image", "a cat", "-m", layouts / f"{name}.safetensors", *QUICK, "-o", f"{name}.png")
        assert done.code == 0, done.stderr
        assert pixels(Path(f"{name}.png")).std() > 1
    assert run_main("image", "a cat", "-m", layouts / "one.safetensors", *QUICK, "-o", "one.png").code == 0
    assert abs(pixels(Path("half.png")).astype(int) - pixels(Path("one.png"))).max() < 8  # float16 rounds


def test_a_vae_in_its_place(run_main: RunMain, layouts: Path, stable_diffusion: Path, xl: Path) -> None:
    done = run_main("image", "a cat", "-m", layouts / "bare.safetensors", *QUICK)
    assert (done.code, "--vae" in done.stderr) == (2, True)
    run_main("image", "a cat", "-m", layouts / "one.safetensors", *QUICK, "-o", "own.png")
    for number, vae in enumerate((layouts / "vae.safetensors", stable_diffusion / "vae")):
        model = ["-m", layouts / "bare.safetensors", "--vae", vae]
        done = run_main("image", "a cat", *model, *QUICK, "-o", f"{number}.png")
        assert done.code == 0, done.stderr
        assert (pixels(Path(f"{number}.png")) == pixels(Path("own.png"))).all()
    stated = record_of(Path("0.png"))["adapters"]["vae"]
    assert stated == [{"name": "vae.safetensors", "sha256": hash_file(layouts / "vae.safetensors")}]
    # The same file in place of a folder's own, found again by its content.
    run_main("image", "a cat", "-m", stable_diffusion, "--vae", xl / "vae", *QUICK, *FOLDER, "-o", "other.png")
    assert (pixels(Path("other.png")) != pixels(Path("own.png"))).any()
    shutil.copy(layouts / "vae.safetensors", "vae.safetensors")
    done = run_main("rerun", "--verify", "0.png", "--dtype", "float32")
    assert (done.code, done.stdout) == (0, "0.png: the same\n")


def test_a_file_that_moved_is_the_same_model(run_main: RunMain, layouts: Path) -> None:
    shutil.copy(layouts / "one.safetensors", "moved.safetensors")
    run_main("image", "a cat", "-m", layouts / "one.safetensors", *QUICK, "-o", "a.png", "--json")
    rows = Path("rows.jsonl")
    rows.write_text('{"prompt": "a cat"}\n')
    first = run_main("image", "--prompts", rows, "-m", layouts / "one.safetensors", *QUICK, "-o", "out/")
    assert first.code == 0, first.stderr
    again = run_main("image", "--prompts", rows, "-m", "moved.safetensors", *QUICK, "-o", "out/")
    assert "1 done earlier" in again.stderr, again.stderr
    done = run_main("rerun", "--verify", "a.png", "--dtype", "float32")
    assert (done.code, done.stdout) == (0, "a.png: the same\n")
    done = run_main("image", "a cat", "-m", f"moved.safetensors@{'0' * 64}")
    assert (done.code, "sha256" in done.stderr) == (4, True)


def write_zeros(path: Path, *names: str, shape: tuple[int, ...] = (2, 2)) -> Path:
    """A safetensors file with tensors of these names."""
    save_file({name: torch.zeros(shape) for name in names}, path)
    return path


def test_other_files_are_refused_by_what_they_are(run_main: RunMain, layouts: Path) -> None:
    kohya = "lora_unet_mid_block_attentions_0_proj_in"
    cases = {
        "lora": ((f"{kohya}.lora_down.weight", f"{kohya}.lora_up.weight"), 2, "--lora lora.safetensors"),
        "flux": (("double_blocks.0.img_attn.norm.key_norm.scale", "txt_in.weight"), 2, "a Flux transformer"),
        "vae": (("decoder.up.0.block.0.conv1.weight", "encoder.conv_in.weight"), 2, "--vae vae.safetensors"),
        "net": (("control_model.input_hint_block.0.weight",), 2, "a ControlNet"),
        "word": (("emb_params",), 2, "--embedding word.safetensors"),
        "unet": (("model.diffusion_model.out.2.weight",), 2, "a UNet without its text encoders"),
        "text": (("model.layers.0.self_attn.q_proj.weight", "lm_head.weight"), 2, "a language model"),
        "any": (("a", "b", "c", "d", "e"), 2, "not a checkpoint of Stable Diffusion"),
    }
    for name, (tensors, code, words) in cases.items():
        done = run_main("image", "a cat", "-m", write_zeros(Path(f"{name}.safetensors"), *tensors))
        assert (done.code, done.stdout) == (code, ""), name
        assert words in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 2, done.stderr
    inpainting = load_file(layouts / "one.safetensors")
    first = "model.diffusion_model.input_blocks.0.0.weight"
    inpainting[first] = inpainting[first].repeat(1, 3, 1, 1)[:, :9].contiguous()
    save_file(inpainting, "fill.safetensors")
    assert "filling in" in run_main("image", "a cat", "-m", "fill.safetensors").stderr


def test_what_is_no_safetensors_file_is_never_read(run_main: RunMain, layouts: Path) -> None:
    torch.save({"state_dict": {}}, "model.ckpt")
    shutil.copy("model.ckpt", "model.safetensors")
    Path("model.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(100))
    for name, words in (("model.ckpt", "a pickle"), ("model.safetensors", "a pickle"), ("model.gguf", "a GGUF")):
        done = run_main("image", "a cat", "-m", name)
        assert (done.code, words in done.stderr) == (9, True), done.stderr
    whole = (layouts / "one.safetensors").read_bytes()
    broken = {
        "cut": whole[:-100],
        "empty": b"",
        "short": whole[:6],
        "header": (10**9).to_bytes(8, "little") + whole[8:],
        "json": (20).to_bytes(8, "little") + b"{" * 20,
        "list": (2).to_bytes(8, "little") + b"[]",
        "deep": (2000).to_bytes(8, "little") + b"[" * 2000,
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n",
    }
    for name, data in broken.items():
        Path(f"{name}.safetensors").write_bytes(data)
        done = run_main("image", "a cat", "-m", f"{name}.safetensors")
        assert (done.code, len(done.stderr.splitlines()) <= 2) == (4, True), (name, done.stderr)
    assert run_main("image", "a cat", "-m", "none.safetensors").code == 4
    assert run_main("text", "a cat", "-m", layouts / "one.safetensors").code == 2


def test_velocity_is_told_by_the_first_step(layouts: Path) -> None:
    from types import SimpleNamespace

    from genai_cli.device.single_file import predicts_velocity

    class Unet:
        """A perfect UNet where all is noise: of noise it returns its input, of a velocity less."""

        def __init__(self, change: float) -> None:
            self.change = change
            self.dtype = torch.float32
            self.config = SimpleNamespace(in_channels=4, cross_attention_dim=8)

        def __call__(self, given: torch.Tensor, *_: object) -> object:
            return SimpleNamespace(sample=given + self.change)

    assert predicts_velocity(SimpleNamespace(unet=Unet(-2.0)))
    assert not predicts_velocity(SimpleNamespace(unet=Unet(0.1)))


def test_the_package_brings_the_real_vocabulary(layouts: Path) -> None:
    from transformers import CLIPTokenizer

    from genai_cli.modality.modality import TINY

    tokenizer = CLIPTokenizer.from_pretrained(TINY.parent / "layouts" / "clip", local_files_only=True)
    assert len(tokenizer) == 49408
    # As OpenAI's own tokenizer gives them.
    ids = tokenizer("a photo of a cat, é 🐈 don't 123").input_ids
    assert ids == [49406, 320, 1125, 539, 320, 2368, 267, 4166, 2074, 486, 847, 713, 272, 273, 274, 49407]


def test_no_request_is_made(genai: Genai, files: Path) -> None:
    """A process that may ask the hub, with the small configurations in place of the package's."""
    places = f"single.LAYOUTS = fetching.LAYOUTS = pathlib.Path({str(files / 'layouts')!r})"
    start = f"import pathlib; from genai_cli.hub import fetching, single_file as single; {places}"
    model = ["-m", files / "bare.safetensors", "--vae", files / "vae.safetensors", "--keep", "off"]
    command = [sys.executable, "-c", f"{start}; from genai_cli.__main__ import run; run()", "image", "a cat"]
    with LoopbackHub() as hub:
        made = subprocess.run(
            [*map(str, [*command, *model, *QUICK, "-o", "x.png"])],
            cwd=genai.cwd,
            env=os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"},
            capture_output=True,
            check=False,
            text=True,
        )
        assert (made.returncode, made.stdout) == (0, "x.png\n"), made.stderr
        assert hub.requests == []
