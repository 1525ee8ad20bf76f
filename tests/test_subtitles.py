"""Subtitles that can be read, in files that players' parsers take."""

import json
from itertools import pairwise

import pysubs2
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_cli.content.segments import Segment, Word, order_segments
from genai_cli.content.subtitles import LONGEST, SHORTEST, Shape, lay_out, measure
from genai_cli.content.transcript import Transcript, read_subtitles, split_formats, unescape
from genai_cli.errors import InputError

LONG = (
    "In the morning the wind had changed, and the ship lay quietly in the harbour. Nobody on the island had seen a "
    "vessel of this size before; the children ran down to the beach and shouted until their parents called them home."
)


def letters(text: str) -> str:
    """A text without its spaces and line ends."""
    return "".join(text.split())


@st.composite
def list_segments(draw: st.DrawFn) -> list[Segment]:
    """Segments as a model may give them: of any length, with pauses, and with times that run backwards."""
    words = st.lists(st.text("abcdefgh,.äßñ 你好-'", min_size=1, max_size=12), min_size=1, max_size=30)
    at, found = 0.0, []
    for texts in draw(st.lists(words, max_size=8)):
        start = at + draw(st.floats(-2, 5))
        at = start + draw(st.floats(0, 20))
        found.append(Segment(max(0, start), max(0, at), "".join(f" {text}" for text in texts)))
    return found


@settings(max_examples=150, deadline=None)
@given(list_segments(), st.integers(12, 60), st.integers(1, 3))
def test_any_segments_give_subtitles_that_never_overlap(segments: list[Segment], width: int, lines: int) -> None:
    shape = Shape(width, lines)
    ordered = order_segments(segments)
    subtitles = lay_out(ordered, shape)
    assert letters("".join(one.text for one in subtitles)) == letters("".join(one.text for one in segments))
    for one in subtitles:
        assert one.end - one.start >= SHORTEST - 0.002
        assert one.end - one.start <= LONGEST + 0.002
        assert all(measure(line) <= width or " " not in line for line in one.lines)
    assert all(first.end <= second.start for first, second in pairwise(subtitles))


def test_a_long_sentence_is_cut_at_its_punctuation_and_never_in_a_word() -> None:
    subtitles = lay_out([Segment(0, 15, f" {LONG}")], Shape())
    words = set(LONG.split())
    for one in subtitles:
        assert len(one.lines) <= 2
        assert all(len(line) <= 42 for line in one.lines)
        assert set(one.text.split()) <= words
    assert subtitles[0].text.endswith("harbour.")
    assert any(one.text.endswith("before;") for one in subtitles)


def test_a_pause_between_words_ends_a_subtitle() -> None:
    words = (Word(0, 0.5, " We"), Word(0.5, 1.2, " wait"), Word(4, 4.5, " and"), Word(4.5, 5.5, " go"))
    subtitles = lay_out([Segment(0, 5.5, " We wait and go", words)], Shape())
    assert [(one.start, one.end, one.text) for one in subtitles] == [(0, 1.2, "We wait"), (4, 5.5, "and go")]


def test_scripts_without_spaces_are_cut_by_their_width() -> None:
    text = "今天的天气非常好，我们一起去公园散步，看到了很多美丽的花，还遇见了几位老朋友。" * 2
    subtitles = lay_out([Segment(0, 20, text)], Shape(20, 2))
    assert "".join(line for one in subtitles for line in one.lines) == text
    assert all(measure(line) <= 20 for one in subtitles for line in one.lines)


@pytest.fixture
def transcript() -> Transcript:
    """A transcript with marks of WebVTT in its text, and more than an hour."""
    segments = (
        Segment(0.5, 2.25, " If a < b & b > c,"),
        Segment(2.25, 4, " then --> follows."),
        Segment(3725.5, 3727, " Über uns."),
    )
    return Transcript.join(segments, language="en", seconds=3730.0)


def test_players_read_the_files(transcript: Transcript) -> None:
    srt = pysubs2.SSAFile.from_string(transcript.write("srt"), format_="srt")
    assert [(line.start, line.end) for line in srt] == [(500, 4000), (3725500, 3727000)]
    assert srt[1].plaintext == "Über uns."
    vtt = webvtt.from_string(transcript.write("vtt"))
    assert [(caption.start, caption.end) for caption in vtt] == [
        ("00:00:00.500", "00:00:04.000"),
        ("01:02:05.500", "01:02:07.000"),
    ]
    assert unescape(vtt[0].raw_text).replace("\n", " ") == "If a < b & b > c, then --> follows."
    assert list(webvtt.from_string(Transcript("").write("vtt"))) == []
    assert transcript.write("tsv").splitlines()[3] == "3725500\t3727000\tÜber uns."
    whole = json.loads(transcript.write("json"))
    assert whole["segments"][2] == {"id": 2, "start": 3725.5, "end": 3727, "text": " Über uns."}


def test_each_type_gives_the_text_back(transcript: Transcript) -> None:
    assert letters(read_subtitles(transcript.write("srt"))) == letters(transcript.text)
    assert letters(unescape(read_subtitles(transcript.write("vtt")))) == letters(transcript.text)


def test_a_record_restores_the_transcript(transcript: Transcript) -> None:
    record = {**transcript.facts(), "parameters": {"format": "srt", "max_line_width": 20, "max_line_count": 1}}
    restored = Transcript.restore(record)
    assert (restored.segments, restored.shape) == (transcript.segments, Shape(20, 1))
    assert next(Transcript.lines(record, None)).startswith("1\n00:00:00,500 --> ")


def test_formats_are_named_with_commas() -> None:
    assert split_formats("srt, .VTT,srt") == ("srt", "vtt")
    with pytest.raises(InputError, match="unknown format 'doc'"):
        split_formats("srt,doc")
