"""Speech over HTTP, asked by OpenAI's own client: the worker makes it as the command does."""

import base64
import io
import json
from pathlib import Path

import numpy
import pytest
import soundfile
import soxr
from conftest import Build, Genai, Serve, write_rows
from readers import GENERATED, record_of, wave_samples

TEXT = "Dr. Smith waits at 9:40. He pays 5 dollars."


@pytest.fixture(scope="session")
def fastspeech(build: Build) -> Path:
    return build("fastspeech")


def test_each_format_holds_what_the_command_says(serve: Serve, genai: Genai, fastspeech: Path) -> None:
    openai = pytest.importorskip("openai")
    server = serve("-m", fastspeech)
    say = server.client().audio.speech.create
    made = genai("speak", TEXT, "-m", fastspeech, "-o", "own.wav")
    assert made.code == 0, made.stderr
    rate, _, own = wave_samples(genai.cwd / "own.wav")
    asked = {"model": str(fastspeech), "input": TEXT, "voice": "alloy"}
    kinds = {"mp3": "MP3", "opus": "OGG", "flac": "FLAC", "wav": "WAV"}
    for name, kind in kinds.items():
        data = say(**asked, response_format=name).content
        info = soundfile.info(io.BytesIO(data))
        assert (info.format, info.channels) == (kind, 1)
        assert info.duration == pytest.approx(len(own) / rate, abs=0.15)
        assert GENERATED.encode() in data
    assert soundfile.info(io.BytesIO(say(**asked).content)).format == "MP3"
    (genai.cwd / "sent.wav").write_bytes(say(**asked, response_format="wav").content)
    assert wave_samples(genai.cwd / "sent.wav")[2] == own
    assert record_of(genai.cwd / "sent.wav")["prompt"] == TEXT
    quick = say(**asked, speed=2, response_format="wav").content
    assert soundfile.info(io.BytesIO(quick)).duration == pytest.approx(len(own) / rate / 2, rel=0.1)
    refused = [
        {"response_format": "aac"},
        {"voice": "ann.npy"},
        {"voice": "/etc/passwd.wav"},
        {"voice": "bob"},
        {"input": ""},
        {"speed": 9},
        {"instructions": "like a pirate"},
    ]
    for options in refused:
        with pytest.raises(openai.BadRequestError):
            say(**{**asked, **options})
    types = json.loads(server.ask("GET", "/openapi.json")[2])["paths"]["/v1/audio/speech"]["post"]["responses"]["200"][
        "content"
    ]
    assert set(types) == {"audio/mpeg", "audio/ogg", "audio/flac", "audio/wav", "audio/pcm"}


def test_plain_samples_come_sentence_by_sentence(serve: Serve, genai: Genai, fastspeech: Path) -> None:
    pytest.importorskip("openai")
    server = serve("-m", fastspeech)
    asked = {"model": str(fastspeech), "input": TEXT, "voice": "alloy", "response_format": "pcm"}
    with server.client().audio.speech.with_streaming_response.create(**asked) as response:
        assert response.headers["content-type"] == "audio/pcm;rate=24000"
        assert "content-length" not in response.headers  # it was sent before its end was known
        samples = numpy.frombuffer(b"".join(response.iter_bytes()), "<i2")
    made = genai("speak", TEXT, "-m", fastspeech, "-o", "own.wav")
    assert made.code == 0, made.stderr
    rate, _, own = wave_samples(genai.cwd / "own.wav")
    expected = soxr.resample(numpy.array(own, dtype=numpy.int16), rate, 24000)
    assert len(samples) == len(expected)
    assert int(numpy.abs(samples.astype(int) - expected).max()) <= 2  # soxr dithers


def test_a_server_speaks_for_the_command(serve: Serve, genai: Genai, fastspeech: Path) -> None:
    server = serve("-m", fastspeech)
    remote = genai("speak", TEXT, "-m", f"http://127.0.0.1:{server.port}/v1", "-o", "far.wav")
    assert remote.code == 0, remote.stderr
    assert genai("speak", TEXT, "-m", fastspeech, "-o", "own.wav").code == 0
    assert wave_samples(genai.cwd / "far.wav") == wave_samples(genai.cwd / "own.wav")
    record = record_of(genai.cwd / "far.wav")
    assert record["server"] == {"address": f"http://127.0.0.1:{server.port}/v1", "model": str(fastspeech)}


def test_a_batch_in_openai_s_format_speaks_into_files(genai: Genai, fastspeech: Path) -> None:
    body = {"model": "tts-1", "input": "one train", "voice": "alloy"}
    lines = [
        {"custom_id": "a", "method": "POST", "url": "/v1/audio/speech", "body": body},
        {"custom_id": "b", "method": "POST", "url": "/v1/audio/speech", "body": {**body, "response_format": "opus"}},
    ]
    rows = write_rows(genai.cwd / "rows.jsonl", lines)
    done = genai("batch", rows, "-m", fastspeech, "-o", "results.jsonl", "--format", "openai")
    assert done.code == 0, done.stderr
    results = [json.loads(line) for line in (genai.cwd / "results.jsonl").read_text().splitlines()]
    sounds = [base64.b64decode(one["response"]["body"]["b64_json"]) for one in results]
    assert [soundfile.info(io.BytesIO(sound)).format for sound in sounds] == ["MP3", "OGG"]
    done = genai("batch", rows, "-m", fastspeech, "-o", "out/")
    assert done.code == 0, done.stderr
    assert {path.name for path in (genai.cwd / "out").glob("*.*3")} == {"a.mp3"}
    assert (genai.cwd / "out" / "b.opus").read_bytes()[:4] == b"OggS"
