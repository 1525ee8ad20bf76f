"""genai rerun keeps its promise: only what is typed is a change, and --verify reads the file itself."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import RunMain
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from readers import record_of

QUICK = ["--steps", "2", "--seed", "7"]


@pytest.fixture
def picture(run_main: RunMain, stable_diffusion: Path) -> str:
    run_main("image", "a cat", "-m", stable_diffusion, "-o", "cat.png", *QUICK)
    return "cat.png"


def options(path: str | Path) -> dict[str, Any]:
    return dict(record_of(Path(path))["parameters"])


def change_pixels(name: str, path: str, **saving: Any) -> None:
    """Save a picture with another pixel and all its texts."""
    with Image.open(name) as image:
        texts, xmp = PngInfo(), image.info.get("xmp")
        for key, value in image.info.items():
            if isinstance(value, str):
                texts.add_itxt(key, value)
        changed = image.convert("RGB")
    changed.putpixel((0, 0), (255, 0, 255))
    changed.save(path, pnginfo=texts, **({"xmp": xmp} if xmp else {}), **saving)


def test_n_makes_several(run_main: RunMain, picture: str) -> None:
    done = run_main("rerun", picture, "-n", "3", "-o", "out/")
    assert done.code == 0, done.stderr
    assert [options(line)["seed"] for line in done.lines] == [7, 8, 9]
    assert Image.open(done.lines[0]).tobytes() == Image.open(picture).tobytes()


def test_the_environment_and_the_settings_change_nothing(
    run_main: RunMain, picture: str, monkeypatch: pytest.MonkeyPatch, environment: Path
) -> None:
    settings = environment / "config.toml"
    settings.write_text('seed = 3\nmodel = "tiny"\nnum = 2\n[image]\nsteps = 9\n')
    monkeypatch.setenv("GENAI_CONFIG", str(settings))
    for name, value in {"MODEL": "tiny", "IMAGE_MODEL": "tiny", "STEPS": "5", "SEED": "1", "GUIDANCE": "2"}.items():
        monkeypatch.setenv(f"GENAI_{name}", value)
    done = run_main("rerun", picture, "-o", "again.png")
    assert done.code == 0, done.stderr
    assert options("again.png") == options(picture)
    assert record_of(Path("again.png"))["model"] == record_of(Path(picture))["model"]
    verified = run_main("rerun", picture, "--verify")
    assert (verified.code, verified.stdout) == (0, "cat.png: the same\n"), verified.stderr


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (["--steps", "3"], {"num_inference_steps": 3}),
        (["--negative-prompt", "fog"], {"negative_prompt": "fog"}),
        (["--size", "32x64"], {"width": 32, "height": 64}),
        (["--no-safety"], {"safety": False}),
        (["--scheduler", "euler"], {"scheduler": "euler"}),
        (["--fast"], {"scheduler": "dpm++2m-karras", "num_inference_steps": 20}),
        (["--fast", "--steps", "3"], {"scheduler": "dpm++2m-karras", "num_inference_steps": 3}),
    ],
)
def test_every_option_of_a_picture_can_be_changed(
    run_main: RunMain, picture: str, arguments: list[str], changed: dict[str, Any]
) -> None:
    done = run_main("rerun", picture, *arguments, "-o", "again.png")
    assert done.code == 0, done.stderr
    assert options("again.png") == options(picture) | changed


def test_every_option_of_a_text_can_be_changed(run_main: RunMain, gpt2: Path) -> None:
    run_main("text", "It was", "-m", gpt2, "--seed", "3", "--max-new-tokens", "9", "-o", "it.txt")
    given = ["--stop", "zzz", "--no-echo", "--repetition-penalty", "1.2", "--top-p", "0.5", "--seed", "4"]
    assert run_main("rerun", "it.txt", *given, "-o", "again.txt").code == 0
    changed = {"stop": ["zzz"], "echo": False, "repetition_penalty": 1.2, "top_p": 0.5, "seed": 4}
    assert options("again.txt") == options("it.txt") | changed
    wrong = run_main("rerun", "it.txt", "--steps", "3")
    assert (wrong.code, "it.txt: genai text has no option --steps" in wrong.stderr) == (2, True)


def test_a_dry_run_of_a_comparison_loads_nothing(run_main: RunMain, picture: str) -> None:
    done = run_main("rerun", picture, "--verify", "--dry-run", "-v")
    assert (done.code, done.stdout) == (0, "")
    assert re.fullmatch(r"genai: would make 1 result with .* and compare; nothing was loaded or written\n", done.stderr)


def test_changed_pixels_are_found_and_nothing_is_made(run_main: RunMain, picture: str) -> None:
    change_pixels(picture, "changed.png")
    done = run_main("rerun", "changed.png", "--verify", "-v")
    assert (done.code, done.stdout) == (3, "")
    assert done.stderr.startswith("genai: error: changed.png: the file was changed since it was made\n")
    assert "loaded in" not in done.stderr
    both = run_main("rerun", "changed.png", picture, "--verify")
    assert (both.code, both.stdout) == (3, "cat.png: the same\n")


def test_an_edited_word_is_found(run_main: RunMain, gpt2: Path) -> None:
    run_main("text", "It was", "-m", gpt2, "--seed", "3", "--max-new-tokens", "9", "-o", "it.txt")
    Path("it.txt").write_text(Path("it.txt").read_text().replace("was", "is", 1))
    done = run_main("rerun", "it.txt", "--verify")
    assert (done.code, "it.txt: the file was changed since it was made" in done.stderr) == (3, True)


@pytest.mark.parametrize("name", ["rock.wav", "rock.flac"])
def test_a_changed_sample_is_found(run_main: RunMain, musicgen: Path, name: str) -> None:
    run_main("audio", "rock", "-m", musicgen, "--duration", "0.3", "--seed", "1", "-o", name)
    data = bytearray(Path(name).read_bytes())
    if name.endswith("wav"):
        data[len(data) // 3] ^= 0x40  # a sample: the tags stand at the end
        Path(name).write_bytes(data)
    else:
        from mutagen.flac import FLAC

        tags = dict(FLAC(name).tags)
        samples, rate = soundfile.read(name, dtype="int16", always_2d=True)
        samples[5] += 100
        soundfile.write(name, samples, rate, subtype="PCM_16")
        file = FLAC(name)
        file.update(tags)
        file.save()
    done = run_main("rerun", name, "--verify")
    assert (done.code, f"{name}: the file was changed since it was made" in done.stderr) == (3, True), done.stderr


@pytest.mark.parametrize("name", ["cat.jpg", "cat.webp"])
def test_a_lossy_picture_is_compared_with_what_is_written_now(
    run_main: RunMain, stable_diffusion: Path, name: str
) -> None:
    run_main("image", "a cat", "-m", stable_diffusion, "-o", name, *QUICK)
    assert run_main("rerun", name, "--verify").lines == [f"{name}: the same"]
    change_pixels(name, name, quality=95)
    done = run_main("rerun", name, "--verify")
    assert done.code == 3
    assert "the result is the same, and the file holds something else" in done.stderr
    assert "does not tell which" in done.stderr


def test_a_lossless_webp_is_read(run_main: RunMain, picture: str) -> None:
    record = json.dumps(record_of(Path(picture)))
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><g:record xmlns:g="urn:genai:">{record}</g:record></x:xmpmeta>'
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB")).copy()
    Image.fromarray(pixels).save("same.webp", lossless=True, xmp=packet.encode())
    assert run_main("rerun", "same.webp", "--verify").lines == ["same.webp: the same"]
    pixels[3, 3] ^= 1
    Image.fromarray(pixels).save("other.webp", lossless=True, xmp=packet.encode())
    assert "was changed since it was made" in run_main("rerun", "other.webp", "--verify").stderr


def test_a_record_of_its_own_stands_for_the_file_beside_it(run_main: RunMain, gpt2: Path) -> None:
    run_main("text", "It was", "-m", gpt2, "--seed", "3", "--max-new-tokens", "9", "-o", "it.txt")
    assert run_main("rerun", "it.txt.json", "--verify").lines == ["it.txt.json: the same"]
    Path("it.txt").write_text("It is something else.\n")
    assert run_main("rerun", "it.txt.json", "--verify").code == 3
    Path("it.txt").unlink()
    assert run_main("rerun", "it.txt.json", "--verify").lines == ["it.txt.json: the same"]
