"""A modality from one file outside the package gets everything for free: examples/tint, whose input is a file."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Completed, Genai, write_rows
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from readers import manifest, record_of

EXAMPLE = Path(__file__).parent.parent / "examples" / "tint"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"


class Toy:
    """Runs the command with the example on Python's path, as if it were installed."""

    def __init__(self, genai: Genai, site: Path) -> None:
        self.genai = genai
        self.env = {"PYTHONPATH": str(site)}
        self.cwd = genai.cwd

    def __call__(self, *arguments: str | Path, **options: Any) -> Completed:
        env = {**self.env, **options.pop("env", {})}
        return self.genai(*arguments, env=env, **options)


@pytest.fixture
def toy(genai: Genai, tmp_path: Path) -> Toy:
    site = tmp_path / "site"
    shutil.copytree(EXAMPLE, site)
    metadata = site / "genai_tint-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: genai-tint\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[genai.modalities]\ntint = genai_tint:Tint\n")
    for number in range(6):
        draw(genai.cwd / "in" / f"{number}.png", number)
    return Toy(genai, site)


def draw(path: Path, seed: int) -> None:
    """A small picture of random pixels."""
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def tinted(path: Path, strength: float = 0.5) -> Any:
    """What the example makes of a picture in red."""
    pixels = np.asarray(Image.open(path)).astype(np.float32) / 255
    mixed = pixels * (1 - strength) + pixels * np.array([1, 0.6, 0.6], np.float32) * strength
    return (mixed.astype(np.float32) * 255).round().astype(np.uint8)


def rows(toy: Toy, *names: str, folder: str = "") -> str:
    """A job file of these pictures; it lies in `folder`, which its paths are relative to."""
    lines = [{"task": "tint", "picture": name, "id": Path(name).stem} for name in names]
    return str(write_rows(toy.cwd / folder / "jobs.jsonl", lines))


def test_it_has_a_command_with_help_and_ranges(toy: Toy) -> None:
    listed = toy("--help").stdout
    assert re.search(r"^  tint +Tint pictures: PNG, or JPEG and WebP by the name given.$", listed, re.MULTILINE)
    shown = toy("tint", "--help", env={"COLUMNS": "100"}).stdout
    assert "[PICTURE]..." in shown
    assert re.search(r"--strength <float> +How strong the tint is. \[0 to 1; default: 0.5\]", shown)
    own, output = shown.index("\nOptions:"), shown.index("\nOutput:")
    assert own < shown.index("--colour, --color") < output < shown.index("\nModel and device:")
    for meaningless in ("--seed", "--num", "--compile"):
        assert meaningless not in shown
    for arguments, words in [
        (["--strength", "2"], "--strength must be 0 to 1, not 2.0"),
        (["--strength", "much"], "--strength must be a number, not 'much'"),
        (["--colour", "gren"], "did you mean green"),
    ]:
        done = toy("tint", "in/0.png", *arguments)
        assert (done.code, words in done.stderr) == (2, True), done.stderr


def test_a_picture_is_made_recorded_shown_and_made_again(toy: Toy) -> None:
    done = toy("tint", "in/0.png", "--strength", "0.8", "-o", "out.png")
    assert (done.code, done.stdout) == (0, "out.png\n"), done.stderr
    made = toy.cwd / "out.png"
    assert (np.asarray(Image.open(made)) == tinted(toy.cwd / "in/0.png", 0.8)).all()
    record = record_of(made)
    assert record["inputs"]["picture"]["name"] == "0.png"
    assert record["inputs"]["picture"]["media_type"] == "image/png"
    assert len(record["inputs"]["picture"]["sha256"]) == 64
    assert "in/" not in made.read_bytes().decode("latin-1")
    assert record["parameters"] == {"seed": record["parameters"]["seed"], "colour": "red", "strength": 0.8}
    assert COMPOSITE in made.read_bytes().decode("latin-1")
    assert "inputs.picture" in toy("show", "out.png").stdout
    lost = toy("rerun", "out.png", "--verify")
    assert (lost.code, "'0.png'" in lost.stderr, record["inputs"]["picture"]["sha256"] in lost.stderr) == (
        2,
        True,
        True,
    )
    shutil.copy(toy.cwd / "in/0.png", toy.cwd)
    assert toy("rerun", "out.png", "--verify").stdout == "out.png: the same\n"
    assert toy("rerun", "out.png", "--strength", "0", "--input", "in/1.png", "-o", "again.png").code == 0
    assert (np.asarray(Image.open(toy.cwd / "again.png")) == np.asarray(Image.open(toy.cwd / "in/1.png"))).all()
    bare = toy("tint", "in/0.png", "--no-metadata", "-o", "bare.png")
    assert bare.code == 0
    assert record["inputs"]["picture"]["sha256"].encode() not in (toy.cwd / "bare.png").read_bytes()


def test_environment_and_settings_set_its_options(toy: Toy, environment: Path) -> None:
    settings = environment / "config.toml"
    settings.write_text('[tint]\ncolor = "blue"\nstrength = 0.25\n')
    env = {"GENAI_CONFIG": str(settings), "GENAI_STRENGTH": "0.75"}
    line = json.loads(toy("tint", "in/0.png", "--json", "-o", "x.png", env=env).stdout)
    assert (line["parameters"]["colour"], line["parameters"]["strength"]) == ("blue", 0.75)
    settings.write_text("[tint]\nstrenght = 1\n")
    assert "did you mean strength" in toy("tint", "in/0.png", env=env).stderr


def test_rows_are_relative_to_their_file_and_resumed_by_content(toy: Toy) -> None:
    jobs = rows(toy, "0.png", "1.png", "2.png", folder="in")
    dry = toy("batch", jobs, "-o", "out/", "--dry-run")
    assert "3 items (3 tint): 3 to make" in dry.stderr
    assert not (toy.cwd / "out").exists()
    assert toy("batch", jobs, "-o", "out/", "--limit", "2").code == 0
    again = toy("batch", jobs, "-o", "out/")
    assert "1 done, 2 done earlier" in again.stderr
    draw(toy.cwd / "in/1.png", 77)  # a changed picture is made again
    assert "1 done, 2 done earlier" in toy("batch", jobs, "-o", "out/").stderr
    (toy.cwd / "in/0.png").rename(toy.cwd / "in/renamed.png")  # a renamed one is not
    renamed = rows(toy, "renamed.png", "1.png", "2.png", folder="in")
    assert "0 done, 3 done earlier" in toy("batch", renamed, "-o", "out/").stderr


def test_bad_rows_and_tables(toy: Toy) -> None:
    (toy.cwd / "in/no.png").write_text("not a picture")
    (toy.cwd / "table.csv").write_text("task,picture,strength\ntint,in/0.png,1\ntint,in/none.png,1\ntint,in/1.png,7\n")
    done = toy("batch", "table.csv", "-o", "out/")
    assert done.code == 2
    assert "table.csv:3: in/none.png does not exist" in done.stderr
    assert "table.csv:4: --strength must be 0 to 1" in done.stderr
    done = toy("tint", "in/no.png", "in/0.png", "-o", "out/")
    assert done.code == 3
    assert "no.png is not a picture" in done.stderr
    assert "is not a path" in toy("tint", "https://example.org/a.png").stderr
    lines = toy("tint", "--prompts", "-", "--json", "-o", "lines/", stdin="in/0.png\nin/1.png\n").lines
    assert [json.loads(line)["inputs"]["picture"]["name"] for line in lines] == ["0.png", "1.png"]
    piped = toy("tint", "-", "-o", "piped.png", stdin=(toy.cwd / "in/0.png").read_bytes())
    assert piped.code == 0, piped.stderr
    assert (np.asarray(Image.open(toy.cwd / "piped.png")) == tinted(toy.cwd / "in/0.png")).all()


def test_a_stranger_s_record_reads_no_other_file(toy: Toy) -> None:
    assert toy("tint", "in/0.png", "-o", "out.png").code == 0
    changes: list[dict[str, Any]] = [
        {"picture": "in/1.png", "inputs": {}},
        {"inputs": [1]},
        {"inputs": {"picture": "in/1.png"}},
        {"inputs": {"picture": {"name": "../in/1.png", "sha256": "0"}}},
        {"inputs": {"picture": {"name": 3}}},
        {"parameters": []},
        {"model": "tiny"},
    ]
    for change in changes:
        texts = PngInfo()
        texts.add_itxt("genai", json.dumps(record_of(toy.cwd / "out.png") | change))
        Image.open(toy.cwd / "out.png").save(toy.cwd / "in/evil.png", pnginfo=texts)
        done = toy("rerun", "in/evil.png", "-o", "again.png")
        assert (done.code, done.stdout) == (2, ""), (change, done.stderr)
        assert not (toy.cwd / "again.png").exists(), change


def test_parameters_of_a_record_set_options_alone(toy: Toy) -> None:
    assert toy("tint", "in/0.png", "-o", "in/out.png").code == 0
    record = record_of(toy.cwd / "in/out.png")
    record["parameters"] |= {"picture": "in/1.png", "model": "/etc"}
    texts = PngInfo()
    texts.add_itxt("genai", json.dumps(record))
    Image.open(toy.cwd / "in/out.png").save(toy.cwd / "in/evil.png", pnginfo=texts)
    assert toy("rerun", "in/evil.png", "-o", "again.png").code == 0
    assert (np.asarray(Image.open(toy.cwd / "again.png")) == tinted(toy.cwd / "in/0.png")).all()


def test_a_package_that_cannot_be_loaded_costs_its_own_command_alone(toy: Toy) -> None:
    site = Path(toy.env["PYTHONPATH"])
    (site / "genai_tint.py").write_text("import no_such_module\n")
    listed = toy("--help")
    assert listed.code == 0
    assert "(cannot be loaded: ModuleNotFoundError" in listed.stdout
    assert toy("image", "a cat", "-m", "tiny", "--dry-run").code == 0
    done = toy("tint", "in/0.png")
    assert (done.code, "the modality tint cannot be loaded" in done.stderr) == (2, True)


def test_a_killed_batch_and_ray_give_what_a_whole_one_gives(toy: Toy) -> None:
    jobs = rows(toy, *(f"in/{number}.png" for number in range(6)))
    assert toy("batch", jobs, "-o", "whole/").code == 0
    process = toy.genai.start("batch", jobs, "-o", "killed/", "--json", env={**os.environ, **toy.env})
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    done = toy("batch", jobs, "-o", "killed/")
    assert done.code == 0, done.stderr
    ray = toy("batch", jobs, "-o", "ray/", "--engine", "ray", "--workers", "2")
    assert ray.code == 0, ray.stderr
    whole = {line["id"]: (line["key"], line["content_sha256"]) for line in manifest(toy.cwd / "whole")}
    assert len(whole) == 6
    for folder in ("killed", "ray"):
        assert {line["id"]: (line["key"], line["content_sha256"]) for line in manifest(toy.cwd / folder)} == whole


LOADS = """
import json, sys
from genai_tint import Tint
from genai_cli.cli.main import main
from genai_cli.device.spec import ModelSpec, Placing
from genai_cli.modality.registry import load_catalog
from genai_cli.request.input import Input
from genai_cli.work.assignment import Assignment, Delivery, Hints
from genai_cli.work.job import Job
from genai_cli.work.producer import Producer
from genai_tint import TintRequest
from pathlib import Path

picture = Input.read(Path("in/0.png"), "0.png")
spec = ModelSpec("tint", load_catalog().built_in("tint"), placing=Placing(device="cpu"))
producer = Producer(lambda event: None)
found = []
for number, (suffix, strength, metadata) in enumerate([(None, 0, True), (".jpg", 1, True), (".webp", 0.5, False)]):
    request = TintRequest(model="tiny", picture=picture, strength=strength, seed=number)
    assignment = Assignment(spec, delivery=Delivery(suffix, metadata), hints=Hints(items=number + 1))
    (outcome,) = producer.produce(assignment, [Job(0, str(number), str(number), request)])
    found.append(outcome.suffix)
kept = Tint.loads
other = Assignment(ModelSpec("tint", load_catalog().built_in("tint"), placing=Placing(device="cpu", dtype="float16")))
list(producer.produce(other, [Job(0, "0", "0", request)]))
print(json.dumps([found, kept, Tint.loads]))
"""


def test_a_suffix_a_seed_and_a_request_never_reload_a_model(toy: Toy) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADS],
        cwd=toy.cwd,
        env={**os.environ, **toy.env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[".png", ".jpg", ".webp"], 1, 2]


def test_the_shell_completes_its_values(toy: Toy) -> None:
    env = {"_GENAI_COMPLETE": "complete_bash", "COMP_WORDS": "genai tint --colour b", "COMP_CWORD": "3"}
    assert toy(env=env).lines == ["blue"]
