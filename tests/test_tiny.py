"""The built-in models answer what was asked for, as a user would check it."""

import csv
import json
import re
from pathlib import Path

import pytest
import soundfile
from conftest import RunMain
from PIL import Image

from genai_cli.modality.modality import TINY
from genai_cli.modality.registry import load_catalog
from tools.train.audio.measure import measure_sound
from tools.train.image.measure import measure_picture
from tools.train.image.scenes import Item, Scene

PLAIN_CASES = Path(__file__).parent.parent / "tools" / "train" / "classify" / "plain_cases.tsv"


def test_they_are_listed_with_licence_and_card(run_main: RunMain) -> None:
    listed = run_main("models", "list").stdout
    cards = run_main("models", "show", "tiny").stdout
    for task in load_catalog().built_in_tasks():
        assert f"tiny ({task})" in listed
    assert "unknown" not in "\n".join(line for line in listed.splitlines() if line.startswith("tiny"))
    assert cards.count(": apache-2.0, ") == len(load_catalog().built_in_tasks())
    card = (TINY / "classify" / "README.md").read_text()
    assert "Bo Pang and Lillian Lee" in card
    assert "CC BY 4.0" in card


def test_pictures_show_what_was_asked_for(run_main: RunMain) -> None:
    scenes = {
        "a large red circle on a blue background": Scene((Item("circle", "red"),), "large", "centre", "blue"),
        "yellow background, small purple star on the left": Scene((Item("star", "purple"),), "small", "left", "yellow"),
        "two green hearts": Scene((Item("heart", "green"), Item("heart", "green")), "large", "row", "white"),
        "a big white cross on a red background": Scene((Item("cross", "white"),), "large", "centre", "red"),
        "a small cyan ring at the top, pink background": Scene((Item("ring", "cyan"),), "small", "top", "pink"),
        "a large orange square on a black background": Scene((Item("square", "orange"),), "large", "centre", "black"),
    }
    Path("prompts.txt").write_text("\n".join(scenes))
    done = run_main("image", "--prompts", "prompts.txt", "-m", "tiny", "--seed", "1", "-o", "{index}.png")
    assert done.code == 0, done.stderr
    measured = []
    for index, scene in enumerate(scenes.values()):
        with Image.open(f"{index}.png") as image:
            assert image.size == (64, 64)
            measured.append(measure_picture(image, scene))
    assert all(one.background for one in measured)
    for attribute in ("colour", "size", "place", "shape"):
        assert sum(getattr(one, attribute) for one in measured) >= len(scenes) - 1, attribute


def test_a_prompt_past_its_knowledge_still_gives_a_picture(run_main: RunMain) -> None:
    done = run_main("image", "🦄 an astronaut riding a horse", "-m", "tiny", "--seed", "1", "-o", "x.png")
    assert done.code == 0, done.stderr
    with Image.open("x.png") as image:
        assert len(image.convert("RGB").getcolors(4096) or range(4096)) > 1


def test_prose_goes_on_in_words_and_paragraphs(run_main: RunMain) -> None:
    options = ["-m", "tiny", "--seed", "1", "--max-new-tokens", "200", "--no-echo"]
    done = run_main("text", "It was a dark and stormy", *options)
    assert done.code == 0, done.stderr
    words = re.findall(r"[A-Za-z]+", done.stdout)
    assert len(words) > 60
    assert {"the", "and", "of"} <= {word.lower() for word in words}
    assert max(map(len, words)) < 20
    greedy_options = ["-m", "tiny", "--temperature", "0", "--max-new-tokens", "5"]
    greedy = [run_main("text", "He opened", *greedy_options).stdout for _ in range(2)]
    assert greedy[0] == greedy[1]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("This movie is disgustingly good !", "POSITIVE"),
        ("What a waste of time", "NEGATIVE"),
        ("not bad at all", "POSITIVE"),
        ("I do not recommend it", "NEGATIVE"),
        ("THIS IS WONDERFUL!!!", "POSITIVE"),
    ],
)
def test_plain_opinions_get_the_right_label(run_main: RunMain, text: str, label: str) -> None:
    assert run_main("classify", text, "-m", "tiny").stdout.startswith(f"{label}\t")


def test_a_list_of_plain_cases(run_main: RunMain) -> None:
    with PLAIN_CASES.open() as file:
        cases = list(csv.DictReader(file, delimiter="\t"))
    assert len(cases) >= 40
    done = run_main("classify", *(case["text"] for case in cases), "-m", "tiny", "--json")
    labels = [json.loads(line)["label"] for line in done.lines]
    right = sum(label == case["label"] for label, case in zip(labels, cases, strict=True))
    assert right / len(cases) >= 0.9


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("a slow high flute", {"instrument": "flute", "register": "high", "tempo": "slow"}),
        ("low fast piano, happy", {"instrument": "piano", "register": "low", "tempo": "fast", "mode": "major"}),
        ("electric rock solo", {"instrument": "guitar"}),
        ("drums, fast", {"instrument": "drums", "tempo": "fast"}),
    ],
)
def test_sounds_are_what_was_asked_for(run_main: RunMain, prompt: str, asked: dict[str, str]) -> None:
    done = run_main("audio", prompt, "-m", "tiny", "--seed", "1", "--duration", "5", "-o", "x.wav")
    assert done.code == 0, done.stderr
    samples, rate = soundfile.read("x.wav")
    assert len(samples) / rate == pytest.approx(5, abs=0.1)
    heard = measure_sound(samples, rate)
    assert {name: getattr(heard, name) for name in asked} == asked
    assert not (heard.clicks or heard.clipped or heard.silent)


def test_a_sound_is_ten_seconds_at_most(run_main: RunMain) -> None:
    done = run_main("audio", "piano", "-m", "tiny", "--duration", "11")
    assert (done.code, "at most 10 seconds" in done.stderr) == (2, True)
