"""genai show and genai rerun: a file alone suffices to know how it was made, and to make it again."""

import json
from pathlib import Path

import pytest
from conftest import RunMain
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from readers import record_of

QUICK = ["--steps", "2", "--seed", "7"]


@pytest.mark.parametrize("name", ["cat.png", "cat.jpg", "cat.webp"])
def test_a_picture_is_shown_and_made_again(run_main: RunMain, stable_diffusion: Path, name: str) -> None:
    prompt = "a 'cat' & 🐈\n<b>"
    run_main("image", prompt, "-m", stable_diffusion, "--negative-prompt", "fog", "-o", name, *QUICK)
    record = json.loads(run_main("show", name, "--json").stdout)
    assert record["prompt"] == prompt
    assert record["parameters"]["negative_prompt"] == "fog"
    verified = run_main("rerun", name, "--verify")
    assert (verified.code, verified.stdout, verified.stderr) == (0, f"{name}: the same\n", "")
    assert sorted(path.name for path in Path().iterdir()) == [name]


def test_options_beside_the_file_override(run_main: RunMain, stable_diffusion: Path) -> None:
    run_main("image", "a cat", "-m", stable_diffusion, "-o", "one.png", *QUICK)
    done = run_main("rerun", "one.png", "--steps", "3", "--seed", "8", "-o", "two.png")
    assert (done.code, done.stdout) == (0, "two.png\n")
    one, two = (record_of(Path(name))["parameters"] for name in ("one.png", "two.png"))
    assert two == one | {"num_inference_steps": 3, "seed": 8}


def test_a_file_is_made_again_beside_the_first(run_main: RunMain, stable_diffusion: Path) -> None:
    run_main("image", "a cat", "-m", stable_diffusion, *QUICK)
    assert run_main("rerun", "a-cat-7.png").stdout == "a-cat-7-2.png\n"
    assert Path("a-cat-7.png").read_bytes()[:8] == Path("a-cat-7-2.png").read_bytes()[:8]


@pytest.mark.parametrize("name", ["rock.wav", "rock.flac", "rock.ogg", "rock.opus", "rock.mp3"])
def test_sound_is_shown_and_made_again(run_main: RunMain, musicgen: Path, name: str) -> None:
    run_main("audio", "rock", "-m", musicgen, "--duration", "0.5", "--seed", "1", "-o", name)
    assert json.loads(run_main("show", name, "--json").stdout)["prompt"] == "rock"
    assert run_main("rerun", name, "--verify").stdout == f"{name}: the same\n"


def test_text_and_labels_are_made_again(run_main: RunMain, gpt2: Path, three_labels: Path) -> None:
    run_main("text", "It was", "-m", gpt2, "--seed", "3", "--max-new-tokens", "9", "-o", "it.txt")
    run_main("classify", "great", "-m", three_labels, "--top", "2", "-o", "label.txt")
    done = run_main("rerun", "it.txt", "label.txt", "--verify")
    assert (done.code, done.lines) == (0, ["it.txt: the same", "label.txt: the same"])


def test_copies_of_one_file_are_all_the_same(run_main: RunMain, gpt2: Path) -> None:
    for name in ("one.txt", "two.txt"):
        run_main("text", "It was", "-m", gpt2, "--seed", "3", "--max-new-tokens", "9", "-o", name)
    assert run_main("rerun", "one.txt", "two.txt", "--verify").lines == ["one.txt: the same", "two.txt: the same"]


def test_what_differs_is_said(run_main: RunMain, gpt2: Path) -> None:
    run_main("text", "It was", "-m", gpt2, "--seed", "3", "--max-new-tokens", "9", "-o", "it.txt")
    sidecar = Path("it.txt.json")
    record = json.loads(sidecar.read_text())
    record["parameters"]["seed"] = 4  # what another machine would make of 3, as far as this one can tell
    record["libraries"]["torch"] = "1.0"
    sidecar.write_text(json.dumps(record))
    done = run_main("rerun", "it.txt", "--verify")
    assert done.code == 8
    assert "it.txt: this machine makes another result" in done.stderr
    assert "libraries.torch was 1.0" in done.stderr


def test_a_batch_s_text_is_found_in_the_manifest(run_main: RunMain, gpt2: Path) -> None:
    Path("rows.jsonl").write_text('{"prompt": "It was", "id": "one"}\n')
    options = ["-m", gpt2, "--temperature", "0", "--max-new-tokens", "9"]
    run_main("text", "--prompts", "rows.jsonl", "-o", "out/", *options)
    Path("out/one.txt.json").unlink()
    assert json.loads(run_main("show", "out/one.txt", "--json").stdout)["prompt"] == "It was"


def test_pictures_of_other_tools(run_main: RunMain) -> None:
    texts = PngInfo()
    texts.add_text("parameters", "a cat\nSteps: 20, Sampler: Euler a, Seed: 1")
    Image.new("RGB", (8, 8)).save("other.png", pnginfo=texts)
    Image.new("RGB", (8, 8)).save("bare.png")
    shown = run_main("show", "other.png").stdout
    assert shown.startswith("a cat\nSteps: 20, Sampler: Euler a, Seed: 1\n\ntool ")
    assert "\nparameters.scheduler         euler-a\n" in shown
    assert run_main("rerun", "other.png").code == 2
    bare = run_main("show", "bare.png")
    assert (bare.code, bare.stdout) == (2, "")
    assert "has no genai record" in bare.stderr
    both = run_main("show", "other.png", "bare.png")
    assert (both.code, "Steps: 20" in both.stdout) == (3, True)


def test_files_that_cannot_be_read(run_main: RunMain, stable_diffusion: Path) -> None:
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    Path("broken.wav").write_bytes(b"RIFF")
    Path("x.pdf").write_bytes(b"%PDF")
    for name in ("broken.png", "broken.wav", "x.pdf", "none.png"):
        done = run_main("show", name)
        assert (done.code, done.stdout) == (2, ""), name
        assert done.stderr.startswith("genai: error: ")
    run_main("image", "a cat", "-m", stable_diffusion, "--no-metadata", "-o", "bare.png", *QUICK)
    assert "--no-metadata" in run_main("rerun", "bare.png").stderr


def test_controls_in_a_foreign_record_are_harmless(run_main: RunMain) -> None:
    texts = PngInfo()
    texts.add_text("parameters", "evil \x1b]0;title\x07 text")
    Image.new("RGB", (8, 8)).save("evil.png", pnginfo=texts)
    assert "\x1b" not in run_main("show", "evil.png").stdout
