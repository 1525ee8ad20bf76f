"""Sounds of strangers: of any rate, channels and type, and those that are none, cut or hostile."""

import subprocess
import sys
from pathlib import Path

import av
import numpy
import pytest
import soundfile
from numpy.typing import NDArray
from speech_sounds import RATE, make_voice

from genai_cli.content import sound_reading
from genai_cli.content.sound_reading import measure_sound, open_sound
from genai_cli.errors import InputError
from genai_cli.request.input import Input


def read(path: Path) -> NDArray[numpy.float32]:
    """All samples at 16,000 a second."""
    with open_sound(Input.read(path, path.name), RATE) as stream:
        return numpy.concatenate(list(stream.pieces))


def find_pitch(samples: NDArray[numpy.float32]) -> float:
    """The loudest frequency in Hz."""
    spectrum = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples))))
    return float(spectrum.argmax() * RATE / len(samples))


@pytest.mark.parametrize(
    ("suffix", "rate", "channels", "options"),
    [
        (".wav", 8000, 1, {"subtype": "ULAW"}),
        (".wav", 44100, 2, {"subtype": "FLOAT"}),
        (".flac", 96000, 6, {}),
        (".ogg", 22050, 2, {}),
        (".opus", 48000, 1, {"format": "OGG", "subtype": "OPUS"}),
        (".mp3", 11025, 1, {}),
        (".aiff", 16000, 2, {}),
    ],
)
def test_any_rate_and_channels(tmp_path: Path, suffix: str, rate: int, channels: int, options: dict[str, str]) -> None:
    tone = 0.5 * numpy.sin(2 * numpy.pi * 440 * numpy.arange(25 * rate) / rate)
    path = tmp_path / f"tone{suffix}"
    soundfile.write(path, numpy.repeat(tone[:, None], channels, axis=1), rate, **options)
    shape = measure_sound(Input.read(path, path.name))
    assert (shape.rate, shape.channels) == (rate, channels)
    samples = read(path)
    assert len(samples) / RATE == pytest.approx(25, abs=0.1)
    assert find_pitch(samples) == pytest.approx(440, abs=1)
    assert numpy.abs(samples[RATE:-RATE]).max() == pytest.approx(0.5, abs=0.1)


def write_media(path: Path, codec: str, rate: int = 48000, seconds: int = 12) -> None:
    """A container with a tone, as a phone or a browser writes it."""
    tone = (0.5 * numpy.sin(2 * numpy.pi * 440 * numpy.arange(seconds * rate) / rate)).astype(numpy.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        converter = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate, frame_size=960)
        for part in [*converter.resample(frame), *converter.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.webm", "libopus"), ("a.mkv", "pcm_s16le")])
def test_containers_are_read_by_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str
) -> None:
    path = tmp_path / name
    write_media(path, codec)
    samples = read(path)
    assert len(samples) / RATE == pytest.approx(12, abs=0.2)
    assert find_pitch(samples) == pytest.approx(440, abs=1)
    monkeypatch.setattr(sound_reading, "LIBRARY", "no_such_library")
    with pytest.raises(InputError, match="needs PyAV") as refused:
        read(path)
    assert "genai-cli[media]" in str(refused.value.hint)


def test_what_is_cut_is_said(tmp_path: Path) -> None:
    for name in ("a.flac", "a.wav", "a.ogg", "a.mp3"):
        soundfile.write(tmp_path / name, make_voice(20), RATE)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"a\.flac"):
        read(tmp_path / "a.flac")
    for name in ("a.wav", "a.ogg", "a.mp3"):  # their headers say nothing that the file does not hold
        try:
            assert len(read(tmp_path / name)) < 12 * RATE
        except InputError as error:
            assert name in error.message
    write_media(tmp_path / "b.m4a", "aac")
    data = (tmp_path / "b.m4a").read_bytes()
    (tmp_path / "b.m4a").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"b\.m4a cannot be read"):
        read(tmp_path / "b.m4a")


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 5000,
        b"ID3" + b"\xff" * 400,
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0data\xff\xff\xff\xff",
        b"fLaC\0\0\0\x22" + b"\xff" * 400,
        b"OggS" + b"\0" * 200,
        b"\0\0\0\x18ftypM4A " + b"\xff" * 400,
        b"\x1a\x45\xdf\xa3" + b"\xff" * 400,
        b"FORM\xff\xff\xff\xffAIFFCOMM" + b"\xff" * 100,
        b"kein Ton, nur Text",
    ],
)
def test_what_is_no_sound_is_an_input_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "strange").write_bytes(data)
    with pytest.raises(InputError, match="strange"):
        read(tmp_path / "strange")


def test_numbers_that_are_none_are_silence(tmp_path: Path) -> None:
    samples = make_voice(1)
    samples[100:200], samples[300] = numpy.nan, numpy.inf
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    found = read(tmp_path / "a.wav")
    assert numpy.isfinite(found).all()
    assert numpy.abs(found).max() <= 1


def test_a_sound_without_samples_is_said(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", numpy.zeros(0), RATE)
    with pytest.raises(InputError, match="holds no sound"):
        read(tmp_path / "a.wav")


def test_hours_need_no_more_memory_than_minutes(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
        minute = make_voice(60)
        for _ in range(40):
            file.write(minute)
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from genai_cli.request.input import Input\n"
        "from genai_cli.content.sound_reading import open_sound\n"
        "from genai_cli.modality.hearing.voice import watch\n"
        "from genai_cli.modality.hearing.windows import cut_windows\n"
        "begun = None\n"
        "with open_sound(Input.read(Path(sys.argv[1]), 'long'), 16000) as stream:\n"
        "    for window in cut_windows(watch(stream.pieces, detect=True), 30):\n"
        "        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "        begun = begun or (used if window.index == 20 else None)\n"
        "print(window.end, used - begun)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True, text=True)
    end, grown = map(float, done.stdout.split())
    assert end == pytest.approx(40 * 60, abs=1)
    assert grown < 30_000  # kB; the samples take 150 MB
