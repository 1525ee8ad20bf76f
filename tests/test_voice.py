"""Speech is told from what is none, and cut into windows that lose nothing of it."""

from collections.abc import Iterable

import numpy
import pytest
from numpy.typing import NDArray
from speech_sounds import RATE, make_pause, make_talk, make_voice

from genai_cli.modality.hearing.voice import Heard, watch
from genai_cli.modality.hearing.windows import Window, cut_windows, one_each

CHANCE = numpy.random.default_rng(7)


def split(samples: NDArray[numpy.float32]) -> Iterable[NDArray[numpy.float32]]:
    """Samples in pieces of an odd length."""
    return (samples[first : first + 12_345] for first in range(0, len(samples), 12_345))


def hear(samples: NDArray[numpy.float32], detect: bool = True) -> list[Heard]:
    """Where someone speaks."""
    return list(watch(split(samples.astype(numpy.float32)), detect=detect))


def windows_of(samples: NDArray[numpy.float32], length: float = 10, detect: bool = True) -> list[Window]:
    """The windows of a sound."""
    return list(cut_windows(hear(samples, detect), length))


TIMES = numpy.arange(40 * RATE) / RATE
NOISES = {
    "nothing": numpy.zeros(40 * RATE),
    "hiss": 0.1 * CHANCE.standard_normal(40 * RATE),
    "rumble": 0.02 * numpy.convolve(CHANCE.standard_normal(40 * RATE), 0.995 ** numpy.arange(2000), mode="same"),
    "hum": 0.3 * sum(numpy.sin(2 * numpy.pi * 50 * number * TIMES) / number for number in range(1, 9)),
    "tone": 0.3 * numpy.sin(2 * numpy.pi * 440 * TIMES),
    "clicks": numpy.where(numpy.arange(40 * RATE) % RATE < 20, CHANCE.standard_normal(40 * RATE) * 0.3, 0),
    "bursts": numpy.where(numpy.arange(40 * RATE) % RATE < RATE // 3, CHANCE.standard_normal(40 * RATE) * 0.1, 0),
}


@pytest.mark.parametrize("name", NOISES)
def test_what_is_no_speech_gives_no_window(name: str) -> None:
    assert windows_of(NOISES[name].clip(-1, 1)) == []


@pytest.mark.parametrize("noise", [0, 0.003, 0.03])
def test_speech_is_found_where_it_is(noise: float) -> None:
    talk = make_talk(0, 5, 4, 8, 3, 20)
    heard = hear(talk + noise * CHANCE.standard_normal(len(talk)))
    spans = [span for part in heard for span in part.spans]
    assert spans[0].start == pytest.approx(5, abs=0.2)
    spoken = sum(span.end - span.start for span in spans)
    assert spoken == pytest.approx(7, abs=1.5)


def test_windows_are_filled_and_no_longer_than_the_model_hears() -> None:
    talk = make_talk(*[3, 1.5] * 20)
    windows = windows_of(talk)
    assert all(window.seconds <= 10 for window in windows)
    assert len(windows) <= 10
    assert sum(window.seconds for window in windows) >= 60


def test_long_pauses_are_left_out_and_times_stay_right() -> None:
    talk = make_talk(2, 60, 2)
    (window,) = windows_of(talk)
    assert window.seconds == pytest.approx(4.8, abs=0.5)
    begin = len(talk) / RATE - 2
    assert window.locate(window.seconds - 1) == pytest.approx(begin + 1, abs=0.3)
    assert window.locate(1) == pytest.approx(1, abs=0.01)
    rest = window.cut(3)
    assert rest.locate(0) == pytest.approx(window.locate(3), abs=0.01)
    assert rest.seconds == pytest.approx(window.seconds - 3, abs=0.01)


def test_speech_without_a_pause_loses_no_sample() -> None:
    talk = make_voice(95)
    for windows in (windows_of(talk), windows_of(talk, detect=False)):
        assert len(windows) >= 10
        samples = sum(len(window.samples) for window in windows)
        assert samples == pytest.approx(len(talk), abs=RATE / 10)
        ends = [window.locate(window.seconds) for window in windows]
        assert ends == sorted(ends)


def test_a_stretch_for_each_window_where_a_model_tells_no_times() -> None:
    windows = list(one_each(hear(make_talk(2, 3, 2)), 20))
    assert [round(window.locate(0), 1) for window in windows] == [0, 4.8]


def test_a_sound_shorter_than_a_frame() -> None:
    assert windows_of(make_pause(0.01)) == []
    assert len(windows_of(make_voice(0.5))) == 1
