"""Results that stand beside the picture or the sound that they are about: what the page of a folder knows of them."""

import json
import re
from pathlib import Path
from typing import Any

import numpy
import pytest
import soundfile
from checkpoints_seeing import DETECTORS
from conftest import RunMain
from gallery_folder import BREAKOUTS, fill_beside, make_about, make_record, state_input, write_picture, write_words
from PIL import Image

from genai_cli.content.box_drawing import choose_colour, choose_ink
from genai_cli.content.sound import Sound
from genai_cli.content.sound_reading import open_own_rate
from genai_cli.content.sound_views import find_peaks, trace_peaks
from genai_cli.events import ignore
from genai_cli.gallery.building import build_page
from genai_cli.gallery.collecting import collect_items
from genai_cli.harmless import one_line
from genai_cli.request.input import Input

BLOCK = re.compile(r'<script type="application/json" id="(index|details)(?:-\d+)?">(.*?)</script>', re.DOTALL)


def show(folder: Path) -> list[dict[str, Any]]:
    """What a page holds of each result: its card's part and its details together."""
    build_page(folder, folder / "gallery.html")
    found: dict[str, list[dict[str, Any]]] = {"index": [], "details": []}
    for name, text in BLOCK.findall((folder / "gallery.html").read_text()):
        found[name] += json.loads(text)
    return [card | details for card, details in zip(found["index"], found["details"], strict=True)]


def list_beside(shown: list[dict[str, Any]], entry: dict[str, Any]) -> list[str]:
    """The names of the files beside which a result stands."""
    return [str(shown[place]["f"]) for place in entry.get("o", [])]


def test_boxes_that_were_found_are_drawn_over_their_picture(run_main: RunMain, tmp_path: Path) -> None:
    detector = DETECTORS["rtdetr"](tmp_path / "detector")
    (tmp_path / "out").mkdir()
    pixels = numpy.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=numpy.uint8)
    Image.fromarray(pixels).save(tmp_path / "out" / "street.png")
    command = ("detect", tmp_path / "out" / "street.png", "-m", detector, "--threshold", "0.5")
    done = run_main(*command, "-o", tmp_path / "out" / "boxes.jsonl")
    assert done.code == 0, done.stderr
    record = json.loads((tmp_path / "out" / "boxes.jsonl").read_text())
    shown = show(tmp_path / "out")
    found = next(entry for entry in shown if entry["t"] == "detect")
    assert list_beside(shown, found) == ["street.png"]
    assert [box["box"] for box in found["boxes"]] == [box["box"] for box in record["boxes"]] != []
    x, y, width, height = record["boxes"][0]["box"]
    placed = (x / 1.2, y / 0.9, width / 1.2, height / 0.9)
    assert found["boxes"][0]["place"] == pytest.approx(placed, abs=0.02)
    assert found["b"][0] == [*found["boxes"][0]["place"], *found["b"][0][4:]]
    red, green, blue = choose_colour(record["boxes"][0]["label"])
    assert found["boxes"][0]["colour"] == f"#{red:02x}{green:02x}{blue:02x}"


def test_words_of_a_model_stand_beside_the_picture(run_main: RunMain, tmp_path: Path) -> None:
    picture = tmp_path / "out" / "circle.png"
    assert run_main("image", "a large red circle", "-m", "tiny", "--steps", "2", "-o", picture).code == 0
    assert run_main("describe", picture, "-m", "tiny", "-o", tmp_path / "out" / "words.txt").code == 0
    shown = show(tmp_path / "out")
    assert list_beside(shown, next(entry for entry in shown if entry["t"] == "describe")) == ["circle.png"]
    assert "o" not in next(entry for entry in shown if entry["t"] == "image")


def test_each_result_stands_beside_what_it_is_about(tmp_path: Path) -> None:
    shown = show(fill_beside(tmp_path / "out"))
    beside = {(entry["t"], *list_beside(shown, entry)) for entry in shown if entry["k"] == "words"}
    wanted = {("describe", "street.jpg"), ("describe", "street.jpg", "room.bmp"), ("transcribe", "talk.wav")}
    wanted |= {("detect", "street.jpg"), ("detect", "room.bmp"), ("classify", "room.bmp")}
    assert beside == wanted
    found, nothing = (entry for entry in shown if entry["t"] == "detect")
    assert [box["label"] for box in found["boxes"]] == ["car", *map(one_line, BREAKOUTS)]
    assert (nothing["boxes"], nothing["n"]) == ([], True)


def test_what_is_not_at_hand_changes_nothing_and_a_copy_stands_there_once(tmp_path: Path) -> None:
    folder = fill_beside(tmp_path / "out")
    (folder / "copy.jpg").write_bytes((folder / "street.jpg").read_bytes())
    shown = show(folder)
    assert all(len(entry["o"]) == 1 for entry in shown if entry["t"] == "detect")
    for name in ("street.jpg", "copy.jpg", "talk.wav"):
        (folder / name).unlink()
    shown = show(folder)
    assert not any("o" in entry for entry in shown if entry["t"] == "transcribe")
    found = next(entry for entry in shown if entry["t"] == "detect")
    assert "o" not in found and "b" not in found and found["boxes"][0]["label"] == "car"
    unsized = make_about("detect", {}, boxes=[{"label": "car", "score": 0.9, "box": [1, 2, 3, 4]}])
    (folder / "found.jsonl").write_text(json.dumps(unsized) + "\n")
    found = next(entry for entry in show(folder) if entry["t"] == "detect")
    assert (found["l"], found["boxes"]) == ([["car", 0.9]], None)


def test_a_picture_is_not_made_from_its_own_description(tmp_path: Path) -> None:
    """The same words lead from a text to the picture that it became, and not from what describes the picture."""
    picture = write_picture(tmp_path / "cat.png", make_record("a cat"))
    write_words(tmp_path / "seen.txt", make_about("describe", {"picture": state_input(picture)}, text="a cat"))
    shown = show(tmp_path)
    assert {entry["f"]: len(entry["sources"]) for entry in shown} == {"cat.png": 0, "seen.txt": 1}
    for created, sources in (("2026-11-28T10:00:01Z", 0), ("2026-11-28T09:00:00Z", 1)):
        write_words(tmp_path / "seen.txt", make_about("text", {}, text="a cat", created=created))
        assert {entry["f"]: len(entry["sources"]) for entry in show(tmp_path)}["cat.png"] == sources


def test_a_transcript_in_several_files_is_one_result(tmp_path: Path) -> None:
    folder = fill_beside(tmp_path / "out")
    names = [item.file.name for item in collect_items(folder).items if item.file]
    assert [name for name in names if name.startswith("talk.")] == ["talk.txt", "talk.wav"]
    (folder / "talk.txt").unlink()
    (folder / "talk.vtt.json").unlink()
    (folder / "talk.srt").write_text("another")
    (folder / "settings.json").write_text('{"genai": "0.2.0", "task": "transcribe"}')
    write_words(folder / "talk.tsv", make_about("transcribe", {"sound": state_input(folder / "talk.wav")}, text="else"))
    names = [item.file.name for item in collect_items(folder).items if item.file]
    assert [name for name in names if name.startswith(("talk", "settings"))] == ["talk.srt", "talk.tsv", "talk.wav"]


def test_letters_stand_out_on_each_colour() -> None:
    """By 4.5 to 1 at least (WCAG 2.2, 1.4.3)."""

    def measure(colour: tuple[int, int, int]) -> float:
        parts = [part / 255 for part in colour]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    for number in range(2000):
        colour = choose_colour(f"label {number}")
        light, dark = sorted((measure(colour), measure(choose_ink(colour))), reverse=True)
        assert light / dark >= 4.5


@pytest.mark.parametrize("seconds", [0.001, 0.25, 40])
def test_a_sound_in_pieces_looks_as_it_does_whole(tmp_path: Path, seconds: float) -> None:
    times = numpy.arange(int(16_000 * seconds)) / 16_000
    soundfile.write(tmp_path / "long.wav", numpy.sin(times * 800) * numpy.abs(numpy.sin(times * 9)) * 0.8, 16_000)
    source = Input.read(tmp_path / "long.wav", "long.wav")
    with open_own_rate(source) as stream:
        peaks, length = trace_peaks(stream, 96)
    assert length == pytest.approx(seconds, abs=0.001)
    assert peaks == pytest.approx(find_peaks(Sound.read(source, ignore), 96), abs=0.05)
