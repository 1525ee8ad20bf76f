"""genai speak with speakers by marks in the text: Dia and CSM, on small checkpoints in their layouts."""

import json
from pathlib import Path

import pytest
from checkpoint_parts import changed_weights, update_json, write_json
from conftest import Build, Genai, RunMain, copy_of
from loopback_hub import LoopbackHub
from readers import record_of, wave_samples

from genai_cli.errors import ModelError, ResultError
from genai_cli.hub.files import select_files
from genai_cli.modality.speaking import csm as csm_family
from genai_cli.modality.speaking import dia as dia_family
from genai_cli.modality.speaking.frames import bound_frames, check_end
from genai_cli.modality.speaking.sentences import LONGEST, split_text
from genai_cli.modality.speaking.speaker import Manner

TEXT = "the train leaves at nine"
TALK = "[S1] It rains. Really? [S2] Yes. (laughs)\n\n[S1] So I stay."
SEED = "5"  # random weights end by chance, and with this seed neither at once nor too late


@pytest.fixture(scope="session")
def dia(build: Build) -> Path:
    return build("dia")


@pytest.fixture(scope="session")
def csm(build: Build) -> Path:
    return build("csm")


def hash_of(run_main: RunMain, model: Path, *options: str, text: str = TEXT) -> str:
    done = run_main("speak", text, "-m", str(model), "--json", *options)
    assert done.code == 0, done.stderr
    return str(json.loads(done.stdout)["content_sha256"])


def split_dia(text: str, voice: str | None = None) -> list[tuple[str, float, int]]:
    speaker = object.__new__(dia_family.Dia)
    return [(piece.text, piece.pause, piece.sentences) for piece in speaker.split(text, Manner(voice), "en")]


def test_dia_hears_a_dialogue_at_once_and_loses_no_mark() -> None:
    assert split_dia("Hello. You") == [("[S1] Hello. You", 0.0, 2)]
    assert split_dia("Hello", "S2") == [("[S2] Hello", 0.0, 1)]
    assert split_dia(TALK) == [("[S1] It rains. Really? [S2] Yes. (laughs) [S1] So I stay.", 0.0, 5)]
    assert split_dia("Hm. [S2] Yes?", "S1") == [("[S1] Hm. [S2] Yes?", 0.0, 2)]
    assert split_dia("[S2]One.\n\nTwo. [S1]") == [("[S2] One.", 0.7, 1), ("[S2] Two.", 0.0, 1)]
    assert split_dia("[S1] [S2]") == []


def test_each_piece_of_a_long_dialogue_names_its_speaker() -> None:
    said = " ".join(f"[S{place % 2 + 1}] This is what number {place} says. And more." for place in range(40))
    pieces = split_dia(said)
    assert len(pieces) > 4
    assert all(text.startswith(("[S1] ", "[S2] ")) and len(text) <= LONGEST for text, _, _ in pieces)
    assert " ".join(text for text, _, _ in pieces).split("]")[-1] == said.split("]")[-1]
    assert sum(sentences for _, _, sentences in pieces) == len(split_text(said, "en"))
    without_marks = "".join(text.replace("[S1] ", "").replace("[S2] ", "") + " " for text, _, _ in pieces)
    assert without_marks.strip() == said.replace("[S1] ", "").replace("[S2] ", "")


def test_csm_puts_a_speaker_before_each_sentence() -> None:
    speaker = object.__new__(csm_family.Csm)

    def split(text: str, voice: str | None = None) -> list[str]:
        return [piece.text for piece in speaker.split(text, Manner(voice), "en")]

    assert split("Hello. As shown [1].") == ["[0]Hello.", "[0]As shown [1]."]
    assert split("Hello.", "3") == ["[3]Hello."]
    assert split("[0]Hello.\n [1] Hi. You?\n") == ["[0]Hello.", "[1]Hi.", "[1]You?"]


def test_dia_speaks_by_a_codec_in_its_folder(run_main: RunMain, dia: Path) -> None:
    done = run_main("speak", TEXT, "-m", str(dia), "--seed", SEED, "--voice", "S2", "-o", "a.wav")
    assert (done.code, done.stdout, done.stderr.count("must be")) == (0, "a.wav\n", 0), done.stderr
    rate, channels, samples = wave_samples(Path("a.wav"))
    assert (rate, channels) == (44100, 1)
    assert max(map(abs, samples)) > 0
    record = record_of(Path("a.wav"))
    assert record["parameters"]["voice"] == "S2"
    assert record["speech"]["sentences"] == 1
    assert record["speech"]["seconds"] == pytest.approx(len(samples) / rate, abs=1e-3)


def test_csm_speaks_by_the_weights_that_its_configuration_names(run_main: RunMain, csm: Path) -> None:
    done = run_main("speak", "One train. Two trains.", "-m", str(csm), "--seed", SEED, "--voice", "0", "-o", "a.wav")
    assert (done.code, done.stdout, done.stderr.count("must be")) == (0, "a.wav\n", 0), done.stderr
    rate, channels, samples = wave_samples(Path("a.wav"))
    assert (rate, channels) == (24000, 1)
    assert max(map(abs, samples)) > 0
    record = record_of(Path("a.wav"))
    assert record["parameters"]["voice"] == "0"
    assert record["speech"]["sentences"] == 2


@pytest.mark.parametrize(("family", "other"), [("dia", "S2"), ("csm", "1")])
def test_chance_follows_the_seed_and_the_voice(
    run_main: RunMain, request: pytest.FixtureRequest, family: str, other: str
) -> None:
    model: Path = request.getfixturevalue(family)
    first = hash_of(run_main, model, "--seed", SEED)
    assert hash_of(run_main, model, "--seed", SEED) == first
    assert hash_of(run_main, model, "--seed", "6") != first
    assert hash_of(run_main, model, "--seed", SEED, "--voice", other) != first
    assert hash_of(run_main, model, "--seed", SEED, text="the train leaves at ten") != first


@pytest.mark.parametrize(
    ("family", "voice", "hint"), [("dia", "0", "S1 or S2"), ("csm", "10", "0 to 9"), ("csm", "ann", "0 to 9")]
)
def test_what_they_cannot_do_is_refused_by_name(
    run_main: RunMain, request: pytest.FixtureRequest, family: str, voice: str, hint: str
) -> None:
    model = str(request.getfixturevalue(family))
    Path("ann.wav").write_bytes(b"RIFF")
    for options, words in {
        ("--speed", "2"): f"this {family} model has one pace\nhint: leave --speed out",
        ("--voice", voice): f"there is no voice {voice!r}\nhint: {hint}",
        ("--voice", "ann.wav", "--consent"): "takes a sound as a voice only with its transcript",
    }.items():
        done = run_main("speak", TEXT, "-m", model, *options)
        assert done.code == 2, done.stderr
        assert words in done.stderr
        assert "hint: " in done.stderr


def test_dia_takes_its_codec_from_another_repository(
    genai: Genai, build: Build, dia: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    hub.add("acme/dia", build("dia", codec="acme/dac"))
    codec = hub.add("acme/dac", build("dac"))
    done = genai("speak", TEXT, "-m", "acme/dia", "--seed", SEED, "-o", tmp_path / "a.wav")
    assert done.code == 0, done.stderr
    assert record_of(tmp_path / "a.wav")["companions"]["acme/dac"]["revision"] == codec
    same = genai("speak", TEXT, "-m", dia, "--seed", SEED, "-o", tmp_path / "b.wav")
    assert same.code == 0, same.stderr
    assert wave_samples(tmp_path / "a.wav") == wave_samples(tmp_path / "b.wav")


def test_a_newer_processor_names_the_codec_in_its_own_file(run_main: RunMain, dia: Path, tmp_path: Path) -> None:
    before = hash_of(run_main, dia, "--seed", SEED)
    copy = copy_of(dia, tmp_path)
    named = json.loads((copy / "audio_tokenizer_config.json").read_text())
    (copy / "audio_tokenizer_config.json").unlink()
    write_json(copy / "processor_config.json", {"processor_class": "DiaProcessor", "audio_tokenizer": named})
    assert hash_of(run_main, copy, "--seed", SEED) == before


def test_speech_without_an_end_is_not_kept(run_main: RunMain, build: Build, csm: Path, tmp_path: Path) -> None:
    endless = build("dia", end=0.0)
    done = run_main("speak", "at nine", "-m", str(endless), "--seed", SEED, "-o", "a.wav")
    assert done.code == 8, done.stderr
    assert "the model does not come to an end in 7 s" in done.stderr
    copy = copy_of(csm, tmp_path)
    with changed_weights(copy / "transformers-00001-of-00001.safetensors") as weights:
        weights["lm_head.weight"].zero_()
        weights["depth_decoder.codebooks_head.weight"].zero_()
    update_json(copy / "generation_config.json", do_sample=False)  # the first code of all, which is the end
    done = run_main("speak", "at nine", "-m", str(copy), "-o", "a.wav")
    assert done.code == 8, done.stderr
    assert "says nothing of the text" in done.stderr
    assert not Path("a.wav").exists()


def test_a_code_without_a_sound_is_not_given_to_the_codec(run_main: RunMain, build: Build) -> None:
    done = run_main("speak", TEXT, "-m", str(build("csm", sounds=8)), "--seed", SEED, "-o", "a.wav")
    assert done.code == 8, done.stderr
    assert "what its codec has no sound for" in done.stderr


def test_frames_are_bounded_by_the_text() -> None:
    assert bound_frames("abcdefghij", 12.5, 1000) == 101  # 5 s for ten letters, 3 s to spare, and one
    assert bound_frames("abcdefghij", 12.5, 50) == 50
    check_end(100, 101, 12.5)
    with pytest.raises(ResultError, match="does not come to an end in 8 s"):
        check_end(101, 101, 12.5)


def test_stated_weights_are_taken_whatever_else_is_there() -> None:
    index, shard = "transformers.safetensors.index.json", "transformers-1.safetensors"
    files = {"config.json": {"transformers_weights": index}, index: {"weight_map": {"a": shard}}}
    names = {"config.json", "model.safetensors", "model.fp16.safetensors", index, shard}
    choice = select_files(names, files.__getitem__, "auto", False, frozenset())
    assert (choice.files, choice.variant) == (("config.json", index, shard), None)
    with pytest.raises(ModelError, match="not complete"):
        select_files(names - {shard}, files.__getitem__, "auto", False, frozenset())
    files["config.json"] = {"transformers_weights": shard}
    assert select_files(names, files.__getitem__, "none", False, frozenset()).files == ("config.json", shard)
