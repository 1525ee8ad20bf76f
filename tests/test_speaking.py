"""What comes before a model speaks: sentences, numbers read out, voices; and what its speech has to be."""

from pathlib import Path

import numpy
import pytest

from genai_cli.errors import InputError, ResultError
from genai_cli.modality.speaking.health import Comparison, check_speech, measure_silence
from genai_cli.modality.speaking.read_out import read_out
from genai_cli.modality.speaking.sentences import LONGEST, split_text
from genai_cli.modality.speaking.voices import read_vector
from genai_cli.request.input import Input


def test_a_text_is_split_at_its_sentences_and_paragraphs() -> None:
    text = 'Dr. Who met J. R. Smith. He said "No!" and left... slowly.\n\nIt is 3.5 m\nlong.  OK'
    pieces = split_text(text, "en")
    assert [(piece.text, piece.pause) for piece in pieces] == [
        ("Dr. Who met J. R. Smith.", 0.3),
        ('He said "No!" and left... slowly.', 0.7),
        ("It is 3.5 m long.", 0.3),
        ("OK", 0.0),
    ]
    assert [piece.text for piece in split_text("你好。再见！", "zh")] == ["你好。", "再见！"]
    assert [piece.text for piece in split_text("Am 3. Mai. Um neun.", "de")] == ["Am 3. Mai.", "Um neun."]


def test_a_long_sentence_is_cut_between_words_and_loses_none() -> None:
    words = " ".join(f"word{number}" for number in range(300)) + ", and more; " + "x" * (2 * LONGEST)
    pieces = [piece.text for piece in split_text(words, "en")]
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(words.split())
    assert all(piece.startswith(("word", "and", "x")) for piece in pieces)


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en", "Dr. No paid $3.50 on 3 May 2024.", "Doctor No paid three dollars and fifty cents on the third of May"),
        ("en", "At 14:30, 9:05 and 9:00", "At fourteen thirty, nine oh five and nine o'clock"),
        ("en", "1,234.5 km, 50% of 1999, 10-20", "one thousand two hundred thirty four point five kilometers, fifty"),
        ("en", "2024-05-03 and May 3, 2024", "the third of May twenty twenty four and May third twenty twenty four"),
        ("en", "Chapter IV, the 21st, -5, 007 & R2", "Chapter four, the twenty first, minus five, zero zero seven"),
        ("en", "1 km, 2.0 and $1,000,000", "one kilometer, two point zero and one million dollars"),
        ("de", "Am 3. Mai um 9:05, z.B. 3,5 €", "Am dritten Mai um neun Uhr fünf, zum Beispiel drei Komma fünf Euro"),
        ("fra", "12,5 et 3 €", "douze virgule cinq et trois euros"),
        ("es", "16", "dieciséis"),
        ("rus", "25 котов", "двадцать пять котов"),
    ],
)
def test_what_is_no_word_is_read_out(language: str, written: str, spoken: str) -> None:
    read = read_out(written, language)
    assert read.text.startswith(spoken)
    assert not any(letter.isdigit() for letter in read.text)
    assert read.changes and all(before in written for before, _ in read.changes)


def test_a_language_without_words_keeps_its_digits() -> None:
    assert read_out("x 12 y", "qq") == read_out("x 12 y", "qq")
    assert read_out("x 12 y", "qq").text == "x 12 y"


def test_plain_words_stay_as_they_are() -> None:
    text = "It's a well-known fact, isn't it? No!"
    assert read_out(text, "en").text == text
    assert read_out(text, "en").changes == ()


def tone(seconds: float, rate: int = 1000, pitch: float = 50) -> "numpy.typing.NDArray[numpy.float32]":
    return numpy.sin(numpy.arange(round(seconds * rate)) / rate * pitch).astype(numpy.float32)


def test_speech_is_as_long_as_its_text() -> None:
    text = "a sentence of some thirty letters in all"
    check_speech(tone(2.5), 1000, text, 1)
    with pytest.raises(ResultError, match="cut off"):
        check_speech(tone(0.3), 1000, text, 1)
    with pytest.raises(ResultError, match="far too long"):
        check_speech(tone(60), 1000, text, 1)
    check_speech(tone(60), 1000, text, 0.25)
    silent = numpy.concatenate([tone(1), numpy.zeros(5000, numpy.float32), tone(1)])
    assert measure_silence(silent) == pytest.approx(5000, abs=5)
    with pytest.raises(ResultError, match="a silence of 5"):
        check_speech(silent, 1000, text, 1)
    with pytest.raises(ResultError, match="NaN"):
        check_speech(numpy.full(1000, numpy.nan, numpy.float32), 1000, text, 1)


def test_the_same_speech_for_another_text_is_noticed() -> None:
    comparison = Comparison()
    comparison.take("one", tone(1))
    comparison.take("one", tone(1))
    comparison.take("two", tone(1.2, pitch=60))
    with pytest.raises(ResultError, match="whatever the text is"):
        comparison.take("three", tone(1.1, pitch=60))


def test_vectors_are_read_without_unpickling(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    vector = numpy.arange(16, dtype=numpy.float32)
    numpy.save(tmp_path / "v.npy", vector[None])
    save_file({"xvector": vector, "other": vector + 1}, tmp_path / "v.safetensors")
    for name in ("v.npy", "v.safetensors"):
        assert read_vector(Input.read(tmp_path / name, name)).values.tolist() == vector.tolist()
    numpy.save(tmp_path / "o.npy", numpy.array([{}], dtype=object), allow_pickle=True)
    numpy.save(tmp_path / "nan.npy", numpy.full(3, numpy.nan))
    (tmp_path / "text.npy").write_text("not an array")
    save_file({"a": vector, "b": vector}, tmp_path / "two.safetensors")
    for name in ("o.npy", "nan.npy", "text.npy", "two.safetensors"):
        with pytest.raises(InputError, match=name):
            read_vector(Input.read(tmp_path / name, name))
