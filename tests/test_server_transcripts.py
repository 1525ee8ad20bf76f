"""Transcripts over HTTP, asked by OpenAI's own client: the worker makes them as the command does."""

import io
from pathlib import Path

import pytest
import soundfile
from conftest import Genai, Serve
from speech_sounds import RATE, make_talk


def test_each_format_is_what_the_command_gives(serve: Serve, genai: Genai, whisper: Path) -> None:
    openai = pytest.importorskip("openai")
    stream = io.BytesIO()
    soundfile.write(stream, make_talk(4), RATE, format="WAV")
    (genai.cwd / "talk.wav").write_bytes(stream.getvalue())
    server = serve("-m", whisper)
    ask = server.client().audio.transcriptions.create
    sound = ("talk.wav", stream.getvalue())
    plain = ask(model=str(whisper), file=sound)
    assert plain.text == "Good morning, my friends. How are you?"
    whole = ask(
        model=str(whisper),
        file=sound,
        response_format="verbose_json",
        timestamp_granularities=["segment"],
        temperature=0,
        language="de",
    )
    assert (whole.language, whole.duration, len(whole.segments)) == ("de", 4, 2)
    assert whole.segments[1].start == pytest.approx(1.2)
    made = genai("transcribe", "talk.wav", "-m", whisper, "--format", "txt,srt,vtt", "-o", "talk.txt")
    assert made.code == 0, made.stderr
    for name, suffix in {"text": "txt", "srt": "srt", "vtt": "vtt"}.items():
        answer = ask(model=str(whisper), file=sound, response_format=name)
        assert answer == (genai.cwd / f"talk.{suffix}").read_text()
    assert server.client().audio.translations.create(model=str(whisper), file=sound).text == plain.text
    remote = genai(
        "transcribe", "talk.wav", "-m", f"http://127.0.0.1:{server.port}/v1", "--format", "srt", "-o", "remote.srt"
    )
    assert remote.code == 0, remote.stderr
    assert (genai.cwd / "remote.srt").read_text() == (genai.cwd / "talk.srt").read_text()
    refused = [
        {"response_format": "doc"},
        {"timestamp_granularities": ["letter"]},
        {"file": ("a.wav", b"no sound")},
    ]
    for options in refused:
        with pytest.raises(openai.BadRequestError):
            ask(**{"model": str(whisper), "file": sound, **options})
