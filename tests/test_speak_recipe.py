"""The recipe of the small speaking model: its vocoder, its alignment of letters and its network."""

import numpy as np
import pytest
import torch

from tools.train.speak.letters import ALPHABET, align, frames_of_letters, learn_chances
from tools.train.speak.networks import build_model, build_tokenizer, spread
from tools.train.speak.robot import BANDS, FRAME, LEVELS, make_sound, read_levels, voiced_limits

PHONES = ["pau", "b", "ae", "t", "k", "s", "iy", "ch"]


def numbers(text: str) -> list[int]:
    return [PHONES.index(name) for name in text.split()]


def letters(text: str) -> list[int]:
    return [ALPHABET.index(letter) for letter in text]


def test_letters_find_their_phones() -> None:
    said = {"bat": "b ae t", "tab": "t ae b", "cat": "k ae t", "batt": "b ae t", "bee": "b iy", "tack": "t ae k"}
    pairs = [(letters(text), numbers(phones)) for text, phones in said.items()] * 4
    both = (letters("bat, cat"), numbers("b ae t pau k ae t"))
    chances = learn_chances([*pairs, both], PHONES)
    assert align(letters("tab"), numbers("t ae b"), chances) == [1, 1, 1]
    assert align(letters("bee"), numbers("b iy"), chances) == [1, 1, 0]
    counts = align(*both, chances)
    assert counts is not None
    assert [*counts[:3], sum(counts[3:5]), *counts[5:]] == [1, 1, 1, 1, 1, 1, 1]
    assert align(letters("b"), numbers("b ae t"), chances) is None


def test_each_letter_lasts_at_least_a_frame() -> None:
    frames = frames_of_letters([1, 0, 2, 0], [4.0, 6.4, 9.0], 10)
    assert frames is not None
    assert sum(frames) == 10
    assert min(frames) == 1
    assert frames[0] == 4
    assert frames_of_letters([1, 1, 1], [1.0, 1.5, 2.0], 2) is None


def test_a_band_sounds_at_its_pitch() -> None:
    levels = np.zeros((40, LEVELS))
    levels[:, 7] = 0.75  # the tone's band at 1,000 Hz
    spectrum = np.abs(np.fft.rfft(make_sound(levels)[FRAME : 33 * FRAME]))
    assert abs(spectrum.argmax() * 16_000 / (32 * FRAME) - 1000) < 5


@pytest.mark.parametrize(("first", "voiced_to"), [(0, 5000.0), (BANDS, 0.0)])
def test_levels_are_read_as_they_sounded(first: int, voiced_to: float) -> None:
    levels = np.zeros((40, LEVELS))
    levels[:, first : first + 20] = 0.4
    read = read_levels((make_sound(levels) * 32768).astype(np.int16), np.full(40, voiced_to))
    assert read[10:30, first + 1 : first + 19] == pytest.approx(0.4, abs=0.05)
    assert read[10:30, first + 24 : first + 26].max() < 0.2


def test_phones_say_what_is_voiced() -> None:
    limits = voiced_limits((("pau", 0.1), ("ae", 0.2), ("s", 0.3), ("z", 0.4)), 24)
    assert [limits[0], limits[9], limits[15], limits[22]] == [0.0, 5000.0, 0.0, 1500.0]


def test_the_decoder_is_the_vocoder() -> None:
    model = build_model().eval()
    levels = np.random.default_rng(0).random((30, LEVELS)) * 0.8
    with torch.inference_mode():
        sound = model.decoder(torch.from_numpy(levels.T[None]).float())[0, 0].numpy()
    assert sound == pytest.approx(np.tanh(make_sound(levels)), abs=1e-5)


def test_letters_are_spread_over_their_frames() -> None:
    values = torch.tensor([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [0.0]]])
    frames = torch.tensor([[2, 1, 2], [1, 3, 0]])
    assert spread(values, frames, 5)[0, :, 0].tolist() == [1, 1, 2, 3, 3]
    assert spread(values, frames, 5)[1, :4, 0].tolist() == [4, 5, 5, 5]


def test_the_tokenizer_reads_letters_alone(tmp_path) -> None:
    tokenizer = build_tokenizer(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    ids = type(tokenizer).from_pretrained(tmp_path)("Hé, you!").input_ids
    assert ids == [2 + ALPHABET.index(letter) for letter in "h, you!"]
