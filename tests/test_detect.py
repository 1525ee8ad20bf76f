"""genai detect: on each layout of detectors, as lines, tables, COCO's JSON and drawn, in batches and again."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from checkpoint_parts import update_json
from checkpoints_seeing import DETECTORS, LABELS
from conftest import Genai, RunMain, write_rows
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForObjectDetection

from genai_cli.content.box_drawing import Box, choose_colour, choose_ink, draw_boxes
from genai_cli.gallery.collecting import collect_items
from genai_cli.modality.seeing.overlaps import choose_boxes, cut_boxes

WORDS = ("owlvit", "grounding_dino")
NAMED = "a cat,a remote"


@pytest.fixture(scope="session")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("detectors")
    return {kind: build(folder / kind) for kind, build in DETECTORS.items()}


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Two pictures of different sizes."""
    random = numpy.random.default_rng(0)
    files = [tmp_path / "street.png", tmp_path / "room.jpg"]
    for file, (width, height) in zip(files, ((120, 90), (60, 80)), strict=True):
        Image.fromarray(random.integers(0, 255, (height, width, 3), dtype=numpy.uint8)).save(file)
    return files


def find_records(run_main: RunMain, *arguments: str | Path) -> list[dict[str, Any]]:
    done = run_main("detect", *arguments, "--json")
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.lines]


@pytest.mark.parametrize("kind", DETECTORS)
def test_every_layout_finds_boxes_inside_the_picture(
    run_main: RunMain, detectors: dict[str, Path], pictures: list[Path], kind: str
) -> None:
    named = ["--labels", NAMED] if kind in WORDS else []
    done = run_main("detect", *pictures, "-m", detectors[kind], "--threshold", "0.3", *named)
    assert done.code == 0, done.stderr
    lines = [line.split("\t") for line in done.lines]
    assert {line[-1] for line in lines} == {"street.png", "room.jpg"}
    known = NAMED.split(",") if kind in WORDS else LABELS
    for label, score, x, y, width, height, name in lines:
        assert label in known
        assert 0.3 <= float(score) <= 1
        limit = (120, 90) if name == "street.png" else (60, 80)
        assert float(x) >= 0
        assert float(y) >= 0
        assert 0 < float(x) + float(width) <= limit[0] + 0.11
        assert 0 < float(y) + float(height) <= limit[1] + 0.11
    scores = [float(line[1]) for line in lines if line[-1] == "street.png"]
    assert scores == sorted(scores, reverse=True)


def test_the_boxes_are_those_of_the_library(
    run_main: RunMain, detectors: dict[str, Path], pictures: list[Path]
) -> None:
    (record,) = find_records(run_main, pictures[0], "-m", detectors["rtdetr"], "--threshold", "0.5")
    model = AutoModelForObjectDetection.from_pretrained(detectors["rtdetr"]).eval()
    processor = AutoImageProcessor.from_pretrained(detectors["rtdetr"])
    with Image.open(pictures[0]) as image, torch.no_grad():
        outputs = model(**processor(images=image, return_tensors="pt"))
    (expected,) = processor.post_process_object_detection(outputs, threshold=0.5, target_sizes=[(90, 120)])
    assert len(record["boxes"]) == len(expected["scores"]) > 2
    assert [box["score"] for box in record["boxes"]] == pytest.approx(expected["scores"].tolist(), abs=1e-5)
    left, top, right, bottom = expected["boxes"][0].tolist()
    x, y, width, height = record["boxes"][0]["box"]
    assert (x, y, width, height) == pytest.approx((left, top, min(right, 120) - left, min(bottom, 90) - top), abs=0.02)
    assert record["size"] == [120, 90]


def test_the_same_boxes_come_out_of_any_group(
    run_main: RunMain, detectors: dict[str, Path], pictures: list[Path]
) -> None:
    common = ("-m", detectors["detr"], "--threshold", "0.3")
    alone = find_records(run_main, *pictures, *common)
    together = find_records(run_main, *pictures, *pictures[::-1], *common, "--batch-size", "4")
    for record in together:
        same = next(one for one in alone if one["inputs"] == record["inputs"])
        for box, other in zip(record["boxes"], same["boxes"], strict=True):
            assert box["box"] == pytest.approx(other["box"], abs=0.05)


def test_labels_choose_among_those_of_a_model(
    run_main: RunMain, detectors: dict[str, Path], pictures: list[Path]
) -> None:
    common = (pictures[0], "-m", detectors["rtdetr"], "--threshold", "0.3")
    (found,) = find_records(run_main, *common)
    (chosen,) = find_records(run_main, *common, "--labels", "remote")
    assert chosen["boxes"] == [box for box in found["boxes"] if box["label"] == "remote"] != found["boxes"]
    done = run_main("detect", *common, "--labels", "remotes")
    assert (done.code, done.stdout) == (2, "")
    assert "does not find 'remotes'" in done.stderr
    assert "remote" in done.stderr.partition("hint")[2]


def test_what_a_model_cannot_do_is_said_in_one_line(
    run_main: RunMain, detectors: dict[str, Path], pictures: list[Path], tmp_path: Path
) -> None:
    nothing_named = run_main("detect", pictures[0], "-m", detectors["owlvit"])
    assert nothing_named.code == 2
    assert '--labels "a cat,a remote"' in nothing_named.stderr
    long = run_main("detect", pictures[0], "-m", detectors["owlvit"], "--labels", "a very " * 20 + "long label")
    assert long.code == 2
    assert "tokens, and the model reads 16" in long.stderr
    (tmp_path / "notes.png").write_text("no picture")
    no_picture = run_main("detect", tmp_path / "notes.png", "-m", detectors["detr"])
    assert no_picture.code == 2
    assert "notes.png cannot be read" in no_picture.stderr
    timm = tmp_path / "timm"
    timm.mkdir()
    for file in detectors["detr"].iterdir():
        (timm / file.name).write_bytes(file.read_bytes())
    update_json(timm / "config.json", use_timm_backbone=True, backbone="resnet50", backbone_config=None)
    done = run_main("detect", pictures[0], "-m", timm)
    assert done.code == 4
    assert "backbone of timm (resnet50)" in done.stderr
    assert "detr-resnet-50@no_timm" in done.stderr


def test_nothing_found_is_an_answer(run_main: RunMain, detectors: dict[str, Path], pictures: list[Path]) -> None:
    common = (pictures[0], "-m", detectors["detr"], "--threshold", "1")
    done = run_main("detect", *common)
    assert (done.code, done.stdout) == (0, "")
    assert "street.png: nothing found with a score of 1.0 or more" in done.stderr
    assert run_main("detect", *common, "-o", "boxes.csv").code == 0
    assert Path("boxes.csv").read_text().splitlines()[1].endswith("street.png,,,,,,")
    assert run_main("detect", *common, "-o", "boxes.coco.json").code == 0
    found = json.loads(Path("boxes.coco.json").read_text())
    assert (len(found["images"]), found["annotations"], found["categories"]) == (1, [], [])


def test_one_file_holds_the_boxes_of_all_pictures(
    run_main: RunMain, detectors: dict[str, Path], pictures: list[Path]
) -> None:
    common: list[str | Path] = [*pictures, "-m", detectors["rtdetr"], "--threshold", "0.3"]
    records = find_records(run_main, *common)
    boxes = [(record, box) for record in records for box in record["boxes"]]
    assert run_main("detect", *common, "-o", "boxes.csv").code == 0
    rows = list(csv.DictReader(io.StringIO(Path("boxes.csv").read_text())))
    assert list(rows[0]) == ["picture", "label", "score", "x", "y", "width", "height"]
    shown = [[row["label"], *(float(row[name]) for name in ("x", "y", "width", "height"))] for row in rows]
    assert shown == [[box["label"], *box["box"]] for _, box in boxes]
    assert {row["picture"] for row in rows} == set(map(str, pictures))
    assert run_main("detect", *common, "-o", "boxes.jsonl").code == 0
    kept = [json.loads(line) for line in Path("boxes.jsonl").read_text().splitlines()]
    assert [record["boxes"] for record in kept] == [record["boxes"] for record in records]
    assert run_main("detect", *common, "-o", "boxes.coco.json").code == 0
    coco = json.loads(Path("boxes.coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["street.png", "room.jpg"]
    assert [(image["width"], image["height"]) for image in coco["images"]] == [(120, 90), (60, 80)]
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert [names[one["category_id"]] for one in coco["annotations"]] == [box["label"] for _, box in boxes]
    assert [one["bbox"] for one in coco["annotations"]] == [box["box"] for _, box in boxes]
    assert {one["image_id"] for one in coco["annotations"]} == {1, 2}
    assert len({one["id"] for one in coco["annotations"]}) == len(boxes)


def test_a_drawn_picture_has_its_boxes_and_says_how_it_was_made(
    genai: Genai, run_main: RunMain, detectors: dict[str, Path], pictures: list[Path]
) -> None:
    command = ("detect", pictures[0], "-m", detectors["rtdetr"], "--threshold", "0.3")
    done = genai(*command, "-o", "marked.png")
    assert done.code == 0, done.stderr
    marked = genai.cwd / "marked.png"
    (record,) = find_records(run_main, *command[1:])
    assert not (genai.cwd / "marked.png.json").exists()
    with Image.open(marked) as drawn, Image.open(pictures[0]) as before:
        assert drawn.size == before.size
        pixels, own = numpy.asarray(drawn), numpy.asarray(before)
        assert "trainedAlgorithmicMedia" not in str(drawn.info)
        kept = json.loads(drawn.info["genai"])
    colour = choose_colour(record["boxes"][0]["label"])
    assert (pixels == colour).all(axis=-1).any()
    assert 0 < (pixels != own).any(axis=-1).mean() < 0.9
    assert kept["boxes"] == record["boxes"]
    assert "threshold" in run_main("show", marked).stdout
    again = run_main("rerun", marked, "--input", pictures[0], "-o", "again.png")
    assert again.code == 0, again.stderr
    with Image.open("again.png") as drawn:
        assert (numpy.asarray(drawn) == pixels).all()
    verified = run_main("rerun", marked, "--input", pictures[0], "--verify")
    assert verified.code == 0, verified.stderr


def test_a_batch_goes_on_where_it_was(run_main: RunMain, detectors: dict[str, Path], pictures: list[Path]) -> None:
    (pictures[0].parent / "copy.png").write_bytes(pictures[0].read_bytes())
    rows = [{"picture": str(file), "id": name} for file, name in zip(pictures, ("one", "two"), strict=True)]
    write_rows(Path("rows.jsonl"), rows[:1])
    command = ("detect", "--prompts", "rows.jsonl", "-m", detectors["detr"], "--threshold", "0.3", "-o", "out/")
    assert run_main(*command).code == 0
    first = Path("out/one.txt").stat().st_mtime_ns
    write_rows(Path("rows.jsonl"), rows)
    done = run_main(*command)
    assert done.code == 0
    assert "1 done" in done.stderr
    assert Path("out/one.txt").stat().st_mtime_ns == first
    assert Path("out/two.txt").read_text().count("\t") >= 5
    assert json.loads(Path("out/two.txt.json").read_text())["size"] == [60, 80]
    plan = run_main(*command, "--dry-run")
    assert plan.code == 0


def test_the_gallery_shows_boxes(run_main: RunMain, detectors: dict[str, Path], pictures: list[Path]) -> None:
    common = (pictures[0], "-m", detectors["rtdetr"], "--threshold", "0.3")
    assert run_main("detect", *common, "-o", "shown/").code == 0
    assert run_main("detect", *common, "-o", "shown/marked.png").code == 0
    items = {item.kind: item for item in collect_items(Path("shown")).items}
    assert set(items) == {"words", "picture"}
    assert items["words"].labels == items["picture"].labels != []
    assert run_main("gallery", "shown").code == 0


def test_a_worker_draws_as_this_process_does(
    genai: Genai, run_main: RunMain, detectors: dict[str, Path], pictures: list[Path]
) -> None:
    command = ("detect", pictures[0], "-m", detectors["rtdetr"], "--threshold", "0.3", "-o", "marked.png")
    try:
        done = genai(*command, "--keep", "1m")
        assert done.code == 0, done.stderr
    finally:
        genai("worker", "stop")
    drawn_there = (genai.cwd / "marked.png").rename(genai.cwd / "there.png")
    assert run_main(*command).code == 0
    with Image.open(drawn_there) as one, Image.open(genai.cwd / "marked.png") as other:
        assert one.tobytes() == other.tobytes()


def test_boxes_are_cut_and_of_one_thing_the_best_is_kept() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [1, 1, 11, 11], [20, 20, 30, 30]])
    scores = torch.tensor([0.8, 0.9, 0.7, 0.6])
    assert choose_boxes(boxes, scores, ["a", "a", "b", "a"], 0.5) == [1, 2, 3]
    assert choose_boxes(boxes, scores, ["a", "a", "b", "a"], 1.0) == [1, 0, 2, 3]
    assert choose_boxes(boxes[:0], scores[:0], [], 0.5) == []
    cut = cut_boxes(torch.tensor([[-5.0, 2, 8, 200], [90, 90, 95, 95]]), (50, 40))
    assert cut.tolist() == [[0, 2, 8, 40], [50, 40, 50, 40]]


def test_labels_stay_readable_at_the_edges() -> None:
    grey = numpy.full((90, 120, 3), 128, dtype=numpy.uint8)
    box = Box("a very long label", 0.9, 100, 0, 20, 20)
    drawn = draw_boxes(grey, [box])
    colour = choose_colour(box.label)
    assert drawn.shape == grey.shape
    assert (drawn == colour).all(axis=-1).sum() > 200
    contrast = numpy.abs(drawn.astype(int) - choose_ink(colour)).max(axis=-1)
    assert (contrast < 80).sum() > 20  # letters are drawn with soft edges
    assert (grey == 128).all()
    assert choose_colour("cat") != choose_colour("dog")
