"""--vary, --expand and --sheet: all combinations, resumed like a batch, on a labelled sheet with the same bytes."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import RunMain, write_rows
from gallery_folder import make_record, write_picture
from PIL import Image
from readers import manifest, record_of

from genai_cli.gallery.axes import find_axes, find_grid
from genai_cli.gallery.item import Item
from genai_cli.request.varying import expand

VARIED = ["--vary", "steps=1,2", "--vary", "guidance=3,7"]


def list_parameters(folder: Path) -> list[tuple[object, ...]]:
    names = ("num_inference_steps", "guidance_scale", "seed")
    return sorted(tuple(record_of(file)["parameters"][name] for name in names) for file in folder.glob("*.png"))


def test_all_combinations_are_made_and_resumed(run_main: RunMain, stable_diffusion: Path) -> None:
    command = ["image", "a cat", "-m", stable_diffusion, *VARIED, "-o", "out/"]
    first = run_main(*command, "--limit", "3")
    assert first.code == 0, first.stderr
    assert len(list(Path("out").glob("*.png"))) == 3
    done = run_main(*command)
    assert "3 done earlier" in done.stderr and "1 done" in done.stderr
    assert list_parameters(Path("out")) == [(1, 3.0, 1), (1, 7.0, 1), (2, 3.0, 1), (2, 7.0, 1)]
    names = sorted(file.name for file in Path("out").glob("*.png"))
    assert names[0] == "a-cat-steps-1-guidance-3.png" and names[-1] == "a-cat-steps-2-guidance-7.png"
    assert len(manifest(Path("out"))) == 4


def test_a_sheet_of_a_grid(run_main: RunMain, stable_diffusion: Path) -> None:
    command = ["image", "a cat", "-m", stable_diffusion, *VARIED, "-o", "out/", "--sheet"]
    done = run_main(*command, "one.png")
    assert "the sheet is one.png" in done.stderr
    assert run_main(*command, "two.png").code == 0  # nothing is made, and the sheet is the same
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()
    assert run_main("gallery", "out", "--sheet", "three.png").stdout == "three.png\n"
    assert Path("one.png").read_bytes() == Path("three.png").read_bytes()
    sheet = np.asarray(Image.open("one.png").convert("RGB")).astype(int)
    tile = np.asarray(Image.open("out/a-cat-steps-2-guidance-7.png").convert("RGB")).astype(int)
    growth = 200 // tile.shape[0]
    edge = (200 - tile.shape[0] * growth) // 2
    y, x = 48 + 212 + edge, 200 + 212 + edge  # the second row and column
    assert (sheet[y : y + tile.shape[0] * growth : growth, x : x + tile.shape[1] * growth : growth] == tile).all()
    for name in ("one.jpg", "one.pdf"):
        assert run_main("gallery", "out", "--sheet", name).code == 0
        before = Path(name).read_bytes()
        assert run_main("gallery", "out", "--sheet", name).code == 0
        assert Path(name).read_bytes() == before


def test_a_grid_has_an_axis_for_what_differs(tmp_path: Path) -> None:
    def make(steps: int, guidance: float, seed: int = 1) -> Item:
        parameters = {"num_inference_steps": steps, "guidance_scale": guidance, "seed": seed, "messages": []}
        return Item(make_record("a cat", parameters=parameters))

    items = [make(steps, guidance) for steps in (20, 5) for guidance in (7.0, 3.0)]
    assert [(axis.name, axis.values) for axis in find_axes(items)] == [
        ("num_inference_steps", (5, 20)),
        ("guidance_scale", (3.0, 7.0)),
    ]
    grid = find_grid(items)
    assert grid is not None and grid.rows == [(5,), (20,)] and grid.cells[(20, 3.0)] == 1
    drawn = [make(steps, guidance, seed) for seed, (steps, guidance) in enumerate([(1, 1), (1, 2), (2, 1), (2, 2)])]
    assert find_grid(drawn) is not None  # a seed for each is not an axis
    assert find_grid(items[:3]) is None
    assert find_grid(items[:2]) is None


def test_texts_vary_too_and_go_into_one_file(run_main: RunMain, gpt2: Path) -> None:
    options = ["-m", gpt2, "--max-new-tokens", "5", "--vary", "temperature=0.5,1", "--vary", "seed=1..3"]
    done = run_main("text", "It was", *options, "-o", "all.jsonl", "--sheet", "texts.png")
    assert done.code == 0, done.stderr
    lines = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    pairs = [(line["parameters"]["temperature"], line["parameters"]["seed"]) for line in lines]
    assert pairs == [(temperature, seed) for temperature in (0.5, 1.0) for seed in (1, 2, 3)]
    assert Image.open("texts.png").width > 600


def test_rows_of_a_file_vary_and_keep_their_ids(run_main: RunMain, three_labels: Path) -> None:
    write_rows(Path("rows.jsonl"), [{"prompt": "good", "id": "a"}, {"prompt": "good", "id": "b"}])
    done = run_main("classify", "--prompts", "rows.jsonl", "-m", three_labels, "--vary", "top=1,2", "--json")
    assert [json.loads(line)["id"] for line in done.lines] == ["a-top-1", "a-top-2", "b-top-1", "b-top-2"]
    assert [len(json.loads(line)["labels"]) for line in done.lines] == [1, 2, 1, 2]


def test_models_vary(run_main: RunMain, three_labels: Path) -> None:
    done = run_main("classify", "good", "--vary", f"model={three_labels},tiny", "--json")
    assert [json.loads(line)["model"]["id"] for line in done.lines] == [str(three_labels), "tiny"]


def test_alternatives_are_expanded_and_recorded(run_main: RunMain) -> None:
    assert list(expand("a {red|green} {big|} x {y} {}")) == [
        "a red big x {y} {}",
        "a red  x {y} {}",
        "a green big x {y} {}",
        "a green  x {y} {}",
    ]
    done = run_main("classify", "a {good|bad} film", "--expand", "-m", "tiny", "--json")
    assert [json.loads(line)["prompt"] for line in done.lines] == ["a good film", "a bad film"]
    plain = run_main("classify", "a {good|bad} film", "-m", "tiny", "--json")
    assert [json.loads(line)["prompt"] for line in plain.lines] == ["a {good|bad} film"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--vary", "stepz=1,2"], "did you mean steps"),
        (["--vary", "device=cpu"], "no option 'device'"),
        (["--vary", "steps"], "not an option with values"),
        (["--vary", "steps=1,1"], "a value twice"),
        (["--vary", "steps=1,2", "--vary", "num_inference_steps=3"], "twice"),
        (["--vary", "steps=1,2", "--steps", "3"], "leave --steps out"),
        (["--vary", "steps=0,2"], "--steps must be 1 to 1000"),
        (["--vary", "seed=9..1"], "a range counts up"),
        (["--vary", "lora=a.safetensors,b.safetensors"], "there is no file 'b.safetensors'"),
        (["--sheet", "sheet.gif"], "cannot write a sheet"),
        (["-n", "2000", "--sheet", "sheet.png"], "do not fit on a sheet"),
    ],
)
def test_usage(run_main: RunMain, options: list[str], words: str) -> None:
    done = run_main("image", "a cat", "-m", "tiny", *options)
    assert (done.code, done.stdout) == (2, "")
    assert words in done.stderr
    assert not list(Path().iterdir())


def test_a_sheet_of_anything(run_main: RunMain, tmp_path: Path) -> None:
    """Failed results, and files that are no longer pictures, have their error in their place."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    write_picture(folder / "one.png", make_record("one 'quoted' <b> \x1b[31m text"))
    record = make_record("two") | {"key": "k", "status": "done", "file": "two.png"}
    failed = {"task": "image", "prompt": "three", "key": "f", "status": "failed", "error": "no picture"}
    (folder / "two.png").write_bytes(b"no picture at all")
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (record, failed)))
    assert run_main("gallery", folder, "--sheet", "sheet.png").code == 0
    assert np.asarray(Image.open("sheet.png")).min() < 60
