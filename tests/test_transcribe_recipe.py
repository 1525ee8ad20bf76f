"""The recipe of the small transcribing model: what is trained on is what was said, when it was said."""

import numpy as np
import pytest
import torch

from tools.train.shared.speech import SAMPLING_RATE, Order, Spoken
from tools.train.shared.word_error import word_error
from tools.train.transcribe.data import Clips, Plan, Planner, Said, place_clips
from tools.train.transcribe.places import place_words
from tools.train.transcribe.sound import disturb
from tools.train.transcribe.tokens import BLANK_ID, build_tokenizer, word_ids
from tools.train.transcribe.training import FRAME, NOT_KNOWN, place_loss, wanted_words
from tools.train.transcribe.words import WORDS


def test_each_word_is_one_token_that_reads_as_it_is_said() -> None:
    tokenizer = build_tokenizer()
    ids = tokenizer.encode(" ".join(WORDS), add_special_tokens=False)
    assert ids == [word_ids()[word] for word in WORDS]
    framed = [token for number in ids for token in (BLANK_ID, number, number)]  # as CTC has it
    assert tokenizer.decode(framed) == " ".join(WORDS)
    assert tokenizer.encode("xylophone", add_special_tokens=False) == [tokenizer.unk_token_id]


def tone_clips(texts: list[str], spans: list[list[tuple[float, float]]]) -> Clips:
    """Clips of one second of a tone each, the second one softer, whose words have these places."""
    tone = (8000 * np.sin(np.arange(SAMPLING_RATE) * 0.3)).astype(np.int16)
    bank = np.concatenate([tone, tone // 8])
    places = [np.array(part) * SAMPLING_RATE for part in spans]
    return Clips(texts, bank, np.array([0, len(tone)]), np.array([len(tone)] * 2), places)


def test_a_window_says_what_its_clips_do_where_they_do() -> None:
    clips = tone_clips(["red", "blue star"], [[(0, 1)], [(0, 0.4), (0.4, 1)]])
    plan = Planner(clips, seed=3, size=8)[10_000]
    windows = place_clips(clips.samples, plan)
    ids = word_ids()
    for row, (window, size, said) in enumerate(zip(windows, plan.sizes, plan.words, strict=True)):
        texts = [clips.texts[start // SAMPLING_RATE] for start in plan.starts[row][plan.lengths[row] > 0]]
        assert [one.word for one in said] == [ids[word] for text in texts for word in text.split()]
        loud = torch.nonzero(window.abs() > 0.01).flatten()
        assert bool(len(loud)) == bool(said)
        if said:
            assert said[0].start == plan.places[row, 0] == pytest.approx(int(loud[0]), abs=20)
            assert said[-1].end == pytest.approx(int(loud[-1]), abs=20)
            assert int(loud[-1]) < size


def test_each_frame_has_the_word_that_is_said_then() -> None:
    ids = word_ids()
    frame = FRAME / SAMPLING_RATE

    def want(*said: tuple[str, float, float]) -> list[int]:
        words = [Said(ids[word], start * SAMPLING_RATE, end * SAMPLING_RATE) for word, start, end in said]
        nothing = np.zeros((1, 1))
        plan = Plan(*(nothing.astype(int) for _ in range(3)), nothing, nothing, [8 * FRAME], [words], alone=False)
        return list(wanted_words(plan, 8)[0])

    red, blue, a = ids["red"], ids["blue"], ids["a"]
    assert want(("red", frame, 3 * frame), ("blue", 5 * frame, 7 * frame)) == [
        *[BLANK_ID, red, red, BLANK_ID, BLANK_ID, blue, blue, BLANK_ID]
    ]
    # A short word has a frame too, and between two equal ones is a blank.
    assert want(("red", 0, 2.3 * frame), ("a", 2.3 * frame, 2.4 * frame), ("blue", 2.4 * frame, 4 * frame))[:5] == [
        *[red, red, a, blue, BLANK_ID]
    ]
    assert want(("red", 0, 2 * frame), ("red", 2 * frame, 5 * frame))[:6] == [red, red, BLANK_ID, red, red, BLANK_ID]
    assert set(want(("red", float("nan"), float("nan")))) == {NOT_KNOWN}


def test_the_loss_of_places_is_small_only_for_the_right_words() -> None:
    clips = tone_clips(["red", "blue"], [[(0, 1)], [(float("nan"), float("nan"))]])
    plan = Planner(clips, seed=3, size=8)[0]
    assert plan.alone
    wanted = wanted_words(plan, -(-max(plan.sizes) // FRAME))
    told = torch.nn.functional.one_hot(torch.from_numpy(np.maximum(wanted, 0)), BLANK_ID + 1).float() * 20
    assert float(place_loss(told, plan)) < 0.01
    assert float(place_loss(-told, plan)) > 5


def test_words_are_placed_by_the_phones_of_flite_and_the_marks_of_espeak() -> None:
    silence = np.zeros(SAMPLING_RATE, np.int16)
    order = Order("of the red star", "espeak-ng", "en-us")
    placed = place_words(order, Spoken(silence, begins={0: 0.1, 7: 0.5, 11: 0.7}), 0.9)
    assert placed is not None
    assert placed == pytest.approx(np.array([(0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9)]))  # "of the" has one mark
    assert place_words(order, Spoken(silence, begins={7: 0.5}), 0.9) is None


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
