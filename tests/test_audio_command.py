"""genai audio, on checkpoints in the layouts of MusicGen and VITS."""

import hashlib
import json
import struct
from pathlib import Path

import mutagen
import pytest
import soundfile
from conftest import RunMain
from readers import GENERATED, record_of, wave_samples, wave_tags

QUICK = ["--duration", "0.5"]


def test_a_wav_with_its_record(run_main: RunMain, musicgen: Path) -> None:
    done = run_main("audio", "electric rock solo", "-m", str(musicgen), "--seed", "7", *QUICK)
    assert (done.code, done.stdout) == (0, "electric-rock-solo-7.wav\n")
    assert done.stderr == f"genai: {musicgen} is under cc-by-nc-4.0, which does not allow commercial use\n"
    path = Path("electric-rock-solo-7.wav")
    rate, channels, samples = wave_samples(path)
    assert (rate, channels) == (32000, 1)
    assert len(samples) == pytest.approx(16000, abs=1280)
    assert 0 < max(map(abs, samples)) <= 32767
    record = record_of(path)
    assert record["prompt"] == "electric rock solo"
    assert record["model"]["license"] == "cc-by-nc-4.0"
    assert record["parameters"]["duration"] == 0.5
    assert record["parameters"]["guidance_scale"] == 3.0
    assert record["content_sha256"] == hashlib.sha256(struct.pack(f"<{len(samples)}h", *samples)).hexdigest()
    assert wave_tags(path)["DigitalSourceType"] == GENERATED


def test_the_same_seed_gives_the_same_sound(run_main: RunMain, musicgen: Path) -> None:
    options = ["audio", "rock", "-m", str(musicgen), "--json", *QUICK]
    hashes = [json.loads(run_main(*options, "--seed", seed).stdout)["content_sha256"] for seed in ("1", "1", "2")]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(("name", "kind"), [("a.flac", "FLAC"), ("a.ogg", "OGG"), ("a.opus", "OGG"), ("a.mp3", "MP3")])
def test_other_formats_carry_record_and_mark(run_main: RunMain, musicgen: Path, name: str, kind: str) -> None:
    prompt = "Röck & 🎸\nloud " + "x" * 3000
    done = run_main("audio", prompt, "-m", str(musicgen), "-o", name, *QUICK)
    assert done.stdout == f"{name}\n", done.stderr
    assert soundfile.info(name).format == kind
    data = Path(name).read_bytes()
    assert GENERATED.encode() in data
    tags = mutagen.File(name).tags
    text = str(tags["TXXX:genai"]) if kind == "MP3" else tags["genai"][0]
    assert json.loads(text)["prompt"] == prompt


def test_a_duration_past_the_limit_names_the_limit(run_main: RunMain, musicgen: Path) -> None:
    done = run_main("audio", "rock", "-m", str(musicgen), "--duration", "31")
    assert done.code == 2
    assert "was made for at most 30 seconds" in done.stderr


def test_a_model_without_a_clock_sets_its_own_length(run_main: RunMain, vits: Path) -> None:
    done = run_main("audio", "hello", "-m", str(vits), "-o", "hello.wav", "--seed", "1")
    assert done.code == 0, done.stderr
    assert wave_samples(Path("hello.wav"))[0] == 16000
    refused = run_main("audio", "hello", "-m", str(vits), "--duration", "3")
    assert refused.code == 2
    assert "from the text" in refused.stderr
    assert run_main("audio", "hello", "-m", str(vits), "--top-k", "5").code == 2


def test_bark_speaks(run_main: RunMain, bark: Path) -> None:
    done = run_main("audio", "hello there", "-m", str(bark), "-o", "hello.wav", "--seed", "1")
    assert done.code == 0, done.stderr
    assert wave_samples(Path("hello.wav"))[0] == 24000
    assert "from the text" in run_main("audio", "hello", "-m", str(bark), "--duration", "3").stderr


def test_a_loud_result_is_turned_down_and_a_quiet_one_is_not() -> None:
    import numpy as np

    from genai_cli.modality.audio import FULL_SCALE, fit_full_scale

    quiet = np.array([0.1, -0.5, 0.25], dtype=np.float32)
    assert (fit_full_scale(quiet)[:, 0] == quiet).all()
    loud = fit_full_scale(quiet * 4)
    assert np.abs(loud).max() == pytest.approx(FULL_SCALE)
    assert loud[:, 0] / loud[1, 0] == pytest.approx(quiet / quiet[1])


def test_the_wrong_kind_of_model(run_main: RunMain, gpt2: Path) -> None:
    done = run_main("audio", "rock", "-m", str(gpt2))
    assert done.code == 2
    assert "a text model (GPT2LMHeadModel), not a text-to-audio model" in done.stderr


def test_bytes_on_stdout(run_main: RunMain, musicgen: Path) -> None:
    done = run_main("audio", "rock", "-m", str(musicgen), "-o", "-", *QUICK)
    assert done.stdout_bytes[:4] == b"RIFF"
    assert list(Path().iterdir()) == []
