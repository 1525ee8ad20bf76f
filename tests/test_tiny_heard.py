"""The built-in models that speak and that transcribe, alone and one after the other."""

import json
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from conftest import RunMain
from readers import wave_samples

SENTENCES = ("turn the blue light on", "one two three four five", "please close the door behind the house")


def heard(run_main: RunMain, file: str) -> list[str]:
    """What the built-in model hears."""
    done = run_main("transcribe", file, "-m", "tiny", "-o", "-")
    assert done.code == 0, done.stderr
    return done.lines


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_is_spoken_is_heard(run_main: RunMain, sentence: str) -> None:
    assert run_main("speak", sentence, "-m", "tiny", "-o", "said.wav").code == 0
    samples, rate = soundfile.read("said.wav")
    assert rate == 16_000
    assert 0.2 < len(samples) / rate / len(sentence.split()) < 0.7
    assert 0.1 < np.abs(samples).max() < 1
    assert heard(run_main, "said.wav") == [sentence]


def test_the_voice_reads_numbers_and_says_the_same_again(run_main: RunMain) -> None:
    for name in ("one.wav", "two.wav"):
        assert run_main("speak", "I have 21 books.", "-m", "tiny", "-o", name, "--seed", "1").code == 0
    assert wave_samples("one.wav") == wave_samples("two.wav")
    assert "twenty one" in heard(run_main, "one.wav")[0]


def test_speed_makes_speech_shorter(run_main: RunMain) -> None:
    lengths = []
    for speed in ("0.8", "1.6"):
        run_main("speak", SENTENCES[0], "-m", "tiny", "-o", f"{speed}.wav", "--speed", speed)
        lengths.append(soundfile.info(f"{speed}.wav").duration)
    assert 1.5 < lengths[0] / lengths[1] < 2.5


def test_words_have_times_in_order(run_main: RunMain) -> None:
    run_main("speak", SENTENCES[2], "-m", "tiny", "-o", "said.wav")
    seconds = soundfile.info("said.wav").duration
    done = run_main("transcribe", "said.wav", "-m", "tiny", "-o", "-", "--word-timestamps", "--json")
    words = json.loads(done.lines[0])["segments"][0]["words"]
    assert [word["word"].strip() for word in words] == SENTENCES[2].split()
    times = [time for word in words for time in (word["start"], word["end"])]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert times[0] < 0.4
    assert seconds - 0.6 < times[-1] <= seconds + 0.1


@pytest.mark.parametrize("loudness", [0.0, 0.05])
def test_where_nobody_speaks_nothing_is_heard(run_main: RunMain, loudness: float) -> None:
    noise = np.random.default_rng(1).normal(size=5 * 16_000) * loudness
    soundfile.write("noise.wav", noise, 16_000)
    done = run_main("transcribe", "noise.wav", "-m", "tiny", "-o", "-", "--no-vad")
    assert done.code == 0, done.stderr
    assert done.stdout.strip() == ""
