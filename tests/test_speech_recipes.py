"""The recipes of the speaking and the transcribing model: what is trained on is what was said, when it was said."""

import numpy as np
import pytest
import torch

from tools.train.shared.speech import SAMPLING_RATE
from tools.train.shared.word_error import word_error
from tools.train.speak.alignment import LetterAligner
from tools.train.transcribe.data import Clips, Planner, place_clips
from tools.train.transcribe.sound import disturb
from tools.train.transcribe.tokens import BLANK_ID, build_tokenizer, word_ids
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


def test_each_word_is_one_token_that_reads_as_it_is_said() -> None:
    tokenizer = build_tokenizer()
    ids = tokenizer.encode(" ".join(WORDS), add_special_tokens=False)
    assert ids == [word_ids()[word] for word in WORDS]
    framed = [token for number in ids for token in (BLANK_ID, number, number)]  # as CTC has it
    assert tokenizer.decode(framed) == " ".join(WORDS)
    assert tokenizer.encode("xylophone", add_special_tokens=False) == [tokenizer.unk_token_id]


def test_a_window_says_what_its_clips_do() -> None:
    tone = (8000 * np.sin(np.arange(SAMPLING_RATE) * 0.3)).astype(np.int16)
    bank = np.concatenate([tone, tone // 8])
    clips = Clips(["red", "blue star"], bank, np.array([0, len(tone)]), np.array([len(tone)] * 2))
    plan = Planner(clips, seed=3, size=8)[10_000]
    windows = place_clips(bank, plan)
    ids = word_ids()
    for row, (window, size, said) in enumerate(zip(windows, plan.sizes, plan.words, strict=True)):
        texts = [clips.texts[start // len(tone)].split() for start in plan.starts[row][plan.lengths[row] > 0]]
        assert said == [ids[word] for text in texts for word in text]
        loud = torch.nonzero(window.abs() > 0.01).flatten()
        assert bool(len(loud)) == bool(said)
        if said:
            assert plan.places[row, 0] == pytest.approx(int(loud[0]), abs=20)
            assert int(loud[-1]) < size


def test_disturbed_windows_are_still_told_apart() -> None:
    torch.manual_seed(0)
    silent, loud = torch.zeros(16, 8000), torch.zeros(16, 8000)
    loud[:, 2000:6000] = torch.sin(torch.arange(4000) * 0.2)
    windows = disturb(torch.cat([silent, loud]), snr=(20, 30))
    assert bool(windows.isfinite().all())
    assert float(windows.abs().max()) <= 1
    spoken = windows[16:, 3000:5000].square().mean(1) / windows[16:, :1500].square().mean(1)
    assert float(spoken.min()) > 5


def test_word_errors_are_counted() -> None:
    assert word_error([("the red circle.", "The red circle")]) == 0
    assert word_error([("the red circle", "the bed"), ("one", "one two")]) == pytest.approx(3 / 4)
