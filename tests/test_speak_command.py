"""genai speak, on checkpoints in the layouts of FastSpeech2Conformer, VITS, SpeechT5 and Bark."""

import json
from pathlib import Path

import numpy
import pytest
import soundfile
from checkpoint_parts import update_json
from conftest import Build, Genai, RunMain, copy_of, write_rows
from loopback_hub import LoopbackHub
from readers import GENERATED, record_of, wave_samples, wave_tags

SPOKEN: list[dict[str, object]] = [
    {"task": "speak", "text": "one train"},
    {"task": "speak", "text": "two", "speed": 2},
    {"task": "speak", "prompt": "three"},
]
TEXT = "Dr. Smith waits at 9:40. He pays 5 dollars.\n\nThe end."


@pytest.fixture(scope="session")
def fastspeech(build: Build) -> Path:
    return build("fastspeech")


@pytest.fixture(scope="session")
def speecht5(build: Build) -> Path:
    return build("speecht5")


@pytest.fixture
def vector(run_main: RunMain) -> str:
    del run_main  # which goes to its folder
    numpy.save("ann.npy", numpy.linspace(-1, 1, 16, dtype=numpy.float32))
    return "ann.npy"


def test_a_text_is_spoken_with_its_record(run_main: RunMain, fastspeech: Path) -> None:
    done = run_main("speak", TEXT, "-m", str(fastspeech), "--seed", "7", "-o", "a.wav")
    assert (done.code, done.stdout) == (0, "a.wav\n"), done.stderr
    assert "3 numbers, signs or abbreviations are read out" in done.stderr
    rate, channels, samples = wave_samples(Path("a.wav"))
    assert (rate, channels) == (16000, 1)
    record = record_of(Path("a.wav"))
    assert record["task"] == "speak"
    assert record["prompt"] == TEXT
    speech = record["speech"]
    assert (speech["sentences"], speech["language"]) == (3, "en")
    assert speech["seconds"] == pytest.approx(len(samples) / rate, abs=1e-3)
    assert speech["read_out"][1] == {"written": "9:40", "spoken": "nine forty"}
    assert record["parameters"] == {"seed": 7, "voice": None, "speed": 1.0, "language": None, "consent": False}
    assert wave_tags(Path("a.wav"))["DigitalSourceType"] == GENERATED
    # The pauses: 0.3 s after the first sentence, 0.7 s after the paragraph.
    silent = [run for run in runs_of_zeros(samples) if run > 3000]
    assert silent == pytest.approx([0.3 * rate, 0.7 * rate], abs=200)


def runs_of_zeros(samples: list[int]) -> list[int]:
    """How long the runs of zeros are."""
    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate([[0], numpy.equal(samples, 0).astype(int), [0]])))
    return [int(length) for length in edges[1::2] - edges[::2]]


def test_speed_changes_the_length_and_nothing_else_does(run_main: RunMain, fastspeech: Path) -> None:
    lengths, hashes = {}, {}
    for name, options in {"a": [], "b": ["--speed", "2"], "c": ["--seed", "9"]}.items():
        done = run_main("speak", "one train. two trains", "-m", str(fastspeech), "-o", f"{name}.wav", *options)
        assert done.code == 0, done.stderr
        lengths[name] = len(wave_samples(Path(f"{name}.wav"))[2])
        hashes[name] = record_of(Path(f"{name}.wav"))["content_sha256"]
    assert lengths["b"] == pytest.approx(lengths["a"] / 2, rel=0.1)
    assert hashes["a"] == hashes["c"] != hashes["b"]  # no chance takes part


def test_a_batch_of_rows_with_text_resumes(run_main: RunMain, fastspeech: Path) -> None:
    rows = write_rows(Path("rows.jsonl"), SPOKEN)
    done = run_main("speak", "--prompts", str(rows), "-m", str(fastspeech), "-o", "out/", "--limit", "1")
    assert done.code == 0, done.stderr
    done = run_main("batch", str(rows), "-m", str(fastspeech), "-o", "out/")
    assert done.code == 0, done.stderr
    assert "1 done earlier" in done.stderr
    assert len(list(Path("out").glob("*.wav"))) == 3
    Path("t.csv").write_text("name,text\na,eins\n")
    done = run_main("speak", "--prompts", "t.csv", "--column", "text", "-m", str(fastspeech), "-o", "t/")
    assert done.code == 0, done.stderr
    assert len(list(Path("t").glob("*.wav"))) == 1


def test_a_dry_run_and_a_rerun(run_main: RunMain, fastspeech: Path) -> None:
    assert run_main("speak", "hello", "-m", str(fastspeech), "-o", "a.wav", "--dry-run").code == 0
    assert not Path("a.wav").exists()
    assert run_main("speak", "hello", "-m", str(fastspeech), "-o", "a.wav").code == 0
    done = run_main("rerun", "a.wav", "-o", "b.wav", "-m", str(fastspeech))
    assert done.code == 0, done.stderr
    assert wave_samples(Path("a.wav")) == wave_samples(Path("b.wav"))


def test_somebodys_voice_needs_consent_and_is_recorded(run_main: RunMain, speecht5: Path, vector: str) -> None:
    said = ("speak", "the train leaves. at nine", "-m", str(speecht5), "-o", "a.wav")
    done = run_main(*said)
    assert done.code == 2
    assert "has no voice of its own" in done.stderr
    done = run_main(*said, "--voice", vector)
    assert done.code == 2
    assert "ann.npy holds somebody's voice\nhint: --consent" in done.stderr
    assert not Path("a.wav").exists()
    done = run_main(*said, "--voice", vector, "--consent", "--seed", "1")
    assert done.code == 0, done.stderr
    record = record_of(Path("a.wav"))
    assert record["speech"]["cloned_voice"] is True
    assert record["parameters"]["consent"] is True
    assert record["inputs"]["voice_file"]["name"] == "ann.npy"
    assert wave_samples(Path("a.wav"))[0] == 16000


def test_another_vector_is_another_voice(run_main: RunMain, speecht5: Path, vector: str) -> None:
    numpy.save("bob.npy", -numpy.linspace(-1, 1, 16, dtype=numpy.float32))
    numpy.save("long.npy", numpy.zeros(17, numpy.float32) + 1)
    common = ["--consent", "--seed", "1", "--json", "-m", str(speecht5)]
    found = [run_main("speak", "at nine", "--voice", name, *common) for name in (vector, "bob.npy", vector)]
    hashes = [json.loads(done.stdout)["content_sha256"] for done in found]
    assert hashes[0] == hashes[2] != hashes[1]
    done = run_main("speak", "at nine", "--voice", "long.npy", *common)
    assert done.code == 2
    assert "long.npy holds 17 numbers, and the model takes a vector of 16" in done.stderr


def test_voices_by_number(run_main: RunMain, build: Build) -> None:
    model = str(build("fastspeech", speakers=3))
    common = ["speak", "a train", "-m", model, "--json"]
    hashes = [json.loads(run_main(*common, "--voice", voice).stdout)["content_sha256"] for voice in ("0", "2")]
    assert hashes[0] != hashes[1]
    done = run_main(*common, "--voice", "3")
    assert done.code == 2
    assert "there is no voice '3'\nhint: 0 to 2" in done.stderr


def test_vits_speaks_and_has_one_voice_and_one_language(run_main: RunMain, vits: Path) -> None:
    done = run_main("speak", "It is 5. Yes", "-m", str(vits), "--seed", "1", "-o", "a.wav", "--speed", "1.5")
    assert done.code == 0, done.stderr
    assert record_of(Path("a.wav"))["speech"]["read_out"] == [{"written": "5", "spoken": "five"}]
    for options, words in {("--voice", "1"): "has one voice", ("--language", "de"): "speaks en, not de"}.items():
        done = run_main("speak", "hello", "-m", str(vits), *options)
        assert done.code == 2
        assert words in done.stderr
    done = run_main("speak", "你好", "-m", str(vits))
    assert done.code == 2
    assert "can read nothing of" in done.stderr


def test_a_model_of_phonemes_is_refused(run_main: RunMain, vits: Path, tmp_path: Path) -> None:
    copy = copy_of(vits, tmp_path)
    update_json(copy / "tokenizer_config.json", phonemize=True)
    done = run_main("speak", "hello", "-m", str(copy))
    assert done.code == 2
    assert "phonemizer under the GPL" in done.stderr


def test_other_families_are_refused_by_name(run_main: RunMain, fastspeech: Path, gpt2: Path, tmp_path: Path) -> None:
    copy = copy_of(fastspeech, tmp_path)
    update_json(copy / "config.json", architectures=["VibeVoiceForConditionalGeneration"])
    done = run_main("speak", "hello", "-m", str(copy))
    assert done.code == 2
    assert "genai does not run VibeVoiceForConditionalGeneration" in done.stderr
    done = run_main("speak", "hello", "-m", str(gpt2))
    assert done.code == 2
    assert "not a text-to-speech model" in done.stderr


def test_a_model_that_heeds_no_text_is_noticed(run_main: RunMain, fastspeech: Path, tmp_path: Path) -> None:
    from checkpoint_parts import changed_weights

    copy = copy_of(fastspeech, tmp_path)
    with changed_weights(copy / "model.safetensors") as weights:
        weights["vocoder.conv_post.weight"].zero_()
        weights["vocoder.conv_post.bias"].fill_(0.2)
    done = run_main("speak", "a train. a boat", "-m", str(copy), "-o", "a.wav")
    assert done.code == 8, done.stderr
    assert "the same whatever the text is" in done.stderr
    assert not Path("a.wav").exists()
    assert run_main("speak", "a train", "-m", str(copy), "-o", "a.wav").code == 8  # one sentence, and a word beside it


def test_speech_that_does_not_fit_its_text_is_not_kept(run_main: RunMain, fastspeech: Path, tmp_path: Path) -> None:
    from checkpoint_parts import changed_weights

    for bias, words in ((-5.0, "the end is cut off"), (5.2, "far too long")):
        copy = copy_of(fastspeech, tmp_path / str(bias))
        with changed_weights(copy / "model.safetensors") as weights:
            name = next(name for name in weights if name.endswith("duration_predictor.linear.bias"))
            weights[name].fill_(bias)
        done = run_main("speak", "a train leaves", "-m", str(copy), "-o", "a.wav")
        assert done.code == 8, done.stderr
        assert words in done.stderr
        assert not Path("a.wav").exists()


def test_bark_speaks(run_main: RunMain, bark: Path) -> None:
    done = run_main("speak", "the train leaves at 9", "-m", str(bark), "--seed", "1", "-o", "a.wav")
    assert done.code == 0, done.stderr
    record = record_of(Path("a.wav"))
    assert "read_out" not in record["speech"]  # it reads figures itself
    done = run_main("speak", "hello", "-m", str(bark), "--speed", "2")
    assert done.code == 2
    assert "has one pace" in done.stderr
    assert run_main("speak", "hello", "-m", str(bark), "--voice", "v2/en_speaker_0").code == 2


def test_pocket_speaks_by_a_codec_in_its_folder_or_of_another_repository(
    run_main: RunMain, genai: Genai, build: Build, hub: LoopbackHub
) -> None:
    model = str(build("pocket"))
    done = run_main("speak", "the train leaves at 9. Really?", "-m", model, "--seed", "1", "-o", "a.wav")
    assert done.code == 0, done.stderr
    assert wave_samples(Path("a.wav"))[0] == 24000
    assert record_of(Path("a.wav"))["speech"]["sentences"] == 2
    hub.add("acme/pocket", build("pocket", codec="acme/codec"))
    hub.add("acme/codec", build("pocket_codec"))
    done = genai("speak", "the train leaves at 9. Really?", "-m", "acme/pocket", "--seed", "1", "-o", "b.wav")
    assert done.code == 0, done.stderr
    assert wave_samples(Path("a.wav")) == wave_samples(Path("b.wav"))
    assert record_of(Path("b.wav"))["companions"]["acme/codec"]["revision"]


def test_what_is_pulled_speaks_offline_with_its_companion(
    genai: Genai, build: Build, hub: LoopbackHub, tmp_path: Path
) -> None:
    own = hub.add("acme/pocket", build("pocket", codec="acme/codec"))
    other = hub.add("acme/codec", build("pocket_codec"))
    pulled = genai("models", "pull", "acme/pocket")
    assert pulled.code == 0, pulled.stderr
    assert pulled.stdout.strip().endswith(own)
    assert "acme/codec, which acme/pocket needs, is in " in pulled.stderr
    hub.requests.clear()
    done = genai("speak", "at nine", "-m", "acme/pocket", "--offline", "-o", tmp_path / "a.wav")
    assert done.code == 0, done.stderr
    assert record_of(tmp_path / "a.wav")["companions"]["acme/codec"]["revision"] == other
    again = genai("models", "pull", "acme/pocket", "--offline", "--json")
    assert [one["revision"] for one in json.loads(again.stdout)["companions"]] == [other]
    assert not hub.requests


def test_a_plan_and_a_removal_name_the_companion(
    genai: Genai, build: Build, hub: LoopbackHub, environment: Path
) -> None:
    codec = build("pocket_codec")
    hub.add("acme/pocket", build("pocket", codec="acme/codec"))
    hub.add("acme/other", build("pocket", codec="acme/codec"))
    hub.add("acme/codec", codec)
    (genai.cwd / "p.txt").write_text("at nine\n")
    plan = ("speak", "--prompts", "p.txt", "-m", "acme/pocket", "-o", "out/", "--dry-run")
    asked = json.loads(genai(*plan, "--json").stdout)["models"]
    size = sum(path.stat().st_size for path in codec.iterdir())
    assert [(one["model"], one["needed_by"]) for one in asked][1] == ("acme/codec", asked[0]["model"])
    assert 0.9 * size < asked[1]["bytes_to_fetch"] <= size
    assert not [path for path in environment.rglob("*") if path.is_file()]
    for name in ("acme/pocket", "acme/other"):
        assert genai("models", "pull", name).code == 0
    told = genai(*plan, "--offline").stderr
    assert f"model acme/codec, which {asked[0]['model']} needs: at hand" in told
    first = genai("models", "remove", "acme/pocket")
    assert (first.code, "acme/codec" in first.stderr) == (0, False)  # the other one needs it
    last = genai("models", "remove", "acme/other")
    assert "acme/codec, which only acme/other needed, is still there: genai models remove acme/codec" in last.stderr
    assert genai("models", "remove", "acme/codec").code == 0


def test_a_companion_that_is_missing_or_not_allowed_ends_a_pull(genai: Genai, build: Build, hub: LoopbackHub) -> None:
    hub.add("acme/pocket", build("pocket", codec="acme/codec"))
    missing = genai("models", "pull", "acme/pocket")
    assert missing.code == 4, missing.stderr
    assert "acme/codec" in missing.stderr


def test_pocket_takes_a_voice_from_a_sound_or_from_frames(run_main: RunMain, build: Build) -> None:
    model = str(build("pocket"))
    numpy.save("frames.npy", numpy.ones((3, 8), numpy.float32))
    numpy.save("others.npy", numpy.ones((3, 9), numpy.float32))
    soundfile.write("ann.wav", numpy.sin(numpy.arange(22050) / 20) / 2, 22050)
    common = ["speak", "at nine", "-m", model, "--seed", "1", "--json", "--consent"]
    hashes = set()
    for voice in ("frames.npy", "ann.wav"):
        done = run_main(*common, "--voice", voice)
        assert done.code == 0, done.stderr
        hashes.add(json.loads(done.stdout)["content_sha256"])
    hashes.add(json.loads(run_main(*common).stdout)["content_sha256"])
    assert len(hashes) == 3
    done = run_main(*common, "--voice", "others.npy")
    assert done.code == 2
    assert "holds 3x9 numbers, and the model takes frames of 8" in done.stderr
    done = run_main(*common, "--voice", "alba")
    assert done.code == 2
    assert "no voice called 'alba'" in done.stderr


def test_the_first_sound_is_written_before_the_last_sentence_is_made(
    genai: Genai, fastspeech: Path, tmp_path: Path
) -> None:
    text = "The first train. The second train. The third train"
    done = genai("speak", text, "-m", str(fastspeech), "-o", "-")  # stdout is a pipe
    assert done.code == 0, done.stderr
    data = done.stdout_bytes
    assert data.startswith(b"RIFF\xff\xff\xff\xffWAVE")
    assert GENERATED.encode() in data[:200]
    whole = genai("speak", text, "-m", str(fastspeech), "-o", tmp_path / "a.wav")
    assert whole.code == 0, whole.stderr
    start = data.index(b"data") + 8
    assert numpy.frombuffer(data[start:], "<i2").tolist() == list(wave_samples(tmp_path / "a.wav")[2])


def test_pieces_come_one_by_one(fastspeech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genai_cli.device.spec import ModelSpec
    from genai_cli.events import AboutItem, Event, SoundPiece, ignore
    from genai_cli.hub.access import Access
    from genai_cli.hub.reference import ModelReference
    from genai_cli.modality.speak import Speak, SpeakRequest
    from genai_cli.work.assignment import Hints
    from genai_cli.work.loaded_model import LoadedModel, ModelSource

    source = ModelSource(ModelSpec("speak", ModelReference("m", folder=fastspeech)), Access(), ignore)
    model = LoadedModel(source, Hints(1), ignore).model
    assert isinstance(model, Speak)
    heard: list[int] = []
    said: list[int] = []
    plain = model.speaker.say

    def say(*arguments: object) -> object:
        said.append(len(heard))
        return plain(*arguments)  # type: ignore[arg-type]

    def emit(event: Event) -> None:
        if isinstance(event, AboutItem) and isinstance(event.event, SoundPiece):
            heard.append(len(event.event.samples))

    monkeypatch.setattr(model.speaker, "say", say)
    model.generate([SpeakRequest(prompt="One train. Two trains. Three trains", model="m", seed=1)], emit)
    assert said == [0, 1, 2]  # each sentence is heard before the next one is made
    assert len(heard) == 3
