"""The recipes of the speaking and the transcribing model: what is trained on is what was said, when it was said."""

import numpy as np
import pytest
import torch

from tools.train.shared.speech import SAMPLING_RATE
from tools.train.shared.word_error import word_error
from tools.train.speak.alignment import LetterAligner
from tools.train.transcribe.data import Clips, Planner
from tools.train.transcribe.sound import LENGTH, feature_extractor, place_clips, whisper_features
from tools.train.transcribe.tokens import GRID, build_tokenizer, first_time, word_ids
from tools.train.transcribe.words import WORDS


def test_letters_find_their_phones() -> None:
    pairs = [
        ("hat cat.", ["hh", "ae", "t", "k", "ae", "t", "pau"]),
        ("the hat.", ["dh", "ax", "hh", "ae", "t", "pau"]),
        ("a cat the bat.", ["ax", "k", "ae", "t", "dh", "ax", "b", "ae", "t", "pau"]),
        ("bat, hat.", ["b", "ae", "t", "pau", "hh", "ae", "t", "pau"]),
    ]
    aligner = LetterAligner(pairs)
    aligner.fit(pairs)
    for (text, phones), shares in zip(pairs, aligner.align(pairs), strict=True):
        assert shares.sum() == len(phones)
        assert all(share == 0 for letter, share in zip(text, shares, strict=True) if letter == " ")
    assert aligner.align(pairs)[3].tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1]


def test_each_word_is_one_token_before_the_special_ones() -> None:
    tokenizer = build_tokenizer()
    text = "".join(f" {word}" for word in WORDS)
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert ids == [word_ids()[word] for word in WORDS]
    assert tokenizer.decode(ids) == text
    assert max(ids) < tokenizer.eos_token_id < first_time()


def test_features_are_those_of_the_library() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, LENGTH).astype(np.float32)
    expected = feature_extractor()(sound, sampling_rate=SAMPLING_RATE, return_tensors="pt").input_features
    torch.testing.assert_close(whisper_features(torch.from_numpy(sound)[None]), expected, rtol=1e-3, atol=1e-3)


def test_times_of_a_window_are_those_of_its_sound() -> None:
    tone = (8000 * np.sin(np.arange(SAMPLING_RATE) * 0.3)).astype(np.int16)
    clips = Clips(["red"], tone, np.array([0]), np.array([len(tone)]))
    plan = Planner(clips, seed=3, size=8)[0]
    parts = (plan.starts, plan.lengths, plan.places, plan.rates)
    windows = place_clips(torch.from_numpy(tone), *(torch.from_numpy(part) for part in parts))
    checked = 0
    for window, labels in zip(windows, plan.labels, strict=True):
        times = [(label - first_time()) * GRID for label in labels if label >= first_time()]
        loud = torch.nonzero(window.abs() > 0.01).flatten() / SAMPLING_RATE
        if times:
            assert times[0] == pytest.approx(float(loud[0]), abs=0.02)
            assert times[1] == pytest.approx(float(loud[-1]), abs=0.02)
            checked += 1
    assert checked >= 2


def test_word_errors_are_counted() -> None:
    assert word_error([("the red circle.", "The red circle")]) == 0
    assert word_error([("the red circle", "the bed"), ("one", "one two")]) == pytest.approx(3 / 4)
