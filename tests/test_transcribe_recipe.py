"""The recipe of the small transcribing model: what is trained on is what was said, when it was said."""

import numpy as np
import pytest
import torch

from tools.train.shared.speech import SAMPLING_RATE
from tools.train.shared.word_error import word_error
from tools.train.transcribe.data import Clips, Planner, place_clips
from tools.train.transcribe.sound import disturb
from tools.train.transcribe.tokens import BLANK_ID, build_tokenizer, word_ids
from tools.train.transcribe.training import FRAME, place_loss, wanted_words
from tools.train.transcribe.words import WORDS


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
        assert said == [[ids[word] for word in text] for text in texts]
        loud = torch.nonzero(window.abs() > 0.01).flatten()
        assert bool(len(loud)) == bool(said)
        if said:
            assert plan.places[row, 0] == pytest.approx(int(loud[0]), abs=20)
            assert int(loud[-1]) < size


def test_words_alone_have_places_that_a_loss_can_use() -> None:
    tone = (8000 * np.sin(np.arange(SAMPLING_RATE) * 0.3)).astype(np.int16)
    clips = Clips(["red", "blue"], np.concatenate([tone, tone]), np.array([0, len(tone)]), np.array([len(tone)] * 2))
    plan = Planner(clips, seed=3, size=8)[0]
    assert plan.placed
    assert all(len(clip) == 1 for window in plan.words for clip in window)
    frames = -(-max(plan.sizes) // FRAME)
    wanted = wanted_words(plan, frames)
    for row, (said, spans) in enumerate(zip(plan.words, plan.spans, strict=True)):
        for (word,), (start, end) in zip(said, spans, strict=False):
            assert wanted[row, round((start + end) / 2 / FRAME - 0.5)] == word
        assert wanted[row, -1] == BLANK_ID or plan.sizes[row] == max(plan.sizes)
    told = torch.nn.functional.one_hot(torch.from_numpy(wanted), BLANK_ID + 1).float() * 20
    assert float(place_loss(told, plan)) < 0.01
    assert float(place_loss(-told, plan)) > 5


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
