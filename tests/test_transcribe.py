"""genai transcribe: what a user sees of it, with recognisers in the real layouts."""

import io
import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy
import pytest
import soundfile
from conftest import Build, Genai, RunMain, in_terminal
from speech_sounds import RATE, make_talk, write_talk

from genai_cli.content.sound_reading import read_piece

SAID = "Good morning, my friends. How are you?"


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Four seconds of speech."""
    return write_talk(tmp_path / "Monday talk.wav", 4)


def test_text_is_printed_and_written_beside_its_record(run_main: RunMain, whisper: Path, talk: Path) -> None:
    done = run_main("transcribe", talk, "-m", whisper)
    assert done.code == 0
    assert done.stdout == "Good morning, my friends.\nHow are you?\n"
    assert Path("monday-talk.txt").read_text() == done.stdout
    assert "Monday talk.wav: the language is German" in done.stderr
    record = json.loads(Path("monday-talk.txt.json").read_text())
    assert record["language"] == record["parameters"]["language"] == "de"
    assert record["inputs"]["sound"]["name"] == "Monday talk.wav"
    assert record["duration"] == 4
    assert [(one["start"], one["end"], one["text"]) for one in record["segments"]] == [
        (0, 1, " Good morning, my friends."),
        (1.2, 2, " How are you?"),
    ]
    assert run_main("show", "monday-talk.txt").code == 0
    assert run_main("rerun", "monday-talk.txt", "--verify", "--input", talk).stdout.endswith("the same\n")


def test_one_hearing_gives_files_of_several_formats(run_main: RunMain, whisper: Path, talk: Path) -> None:
    done = run_main(
        "transcribe", talk, "-m", whisper, "--format", "srt,vtt,tsv,json", "-o", "subs/", "--language", "German"
    )
    assert (done.code, done.stdout) == (0, "subs/monday-talk.srt\n")
    names = {path.name for path in Path("subs").iterdir() if not path.name.startswith(".")}
    types = ("srt", "vtt", "tsv")
    assert names == {
        "manifest.jsonl",
        "monday-talk.json",
        *(f"monday-talk.{one}{end}" for one in types for end in ("", ".json")),
    }
    assert Path("subs/monday-talk.srt").read_text() == (
        "1\n00:00:00,000 --> 00:00:02,000\nGood morning, my friends. How are you?\n"
    )
    assert Path("subs/monday-talk.vtt").read_text().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nGood")
    assert Path("subs/monday-talk.tsv").read_text().splitlines()[1] == "0\t1000\tGood morning, my friends."
    whole = json.loads(Path("subs/monday-talk.json").read_text())
    assert (whole["text"], whole["language"], whole["segments"][1]["id"]) == (SAID, "de", 1)
    for name in ("srt", "vtt", "tsv", "json"):
        verified = run_main("rerun", f"subs/monday-talk.{name}", "--verify", "--input", talk)
        assert verified.code == 0, verified.stderr
    Path("subs/monday-talk.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nBad evening\n")
    assert run_main("rerun", "subs/monday-talk.vtt", "--verify", "--input", talk).code == 3


def test_the_name_tells_the_format_and_stdout_shows_the_first_that_is_asked_for(
    run_main: RunMain, whisper: Path, talk: Path
) -> None:
    assert run_main("transcribe", talk, "-m", whisper, "-o", "a.tsv").code == 0
    assert Path("a.tsv").read_text().startswith("start\tend\ttext\n")
    shown = run_main("transcribe", talk, "-m", whisper, "-o", "-", "--format", "vtt")
    assert shown.stdout.startswith("WEBVTT\n")
    assert run_main("transcribe", talk, "-m", whisper, "--format", "doc").code == 2


def test_silence_and_noise_give_nothing_and_speech_among_them_its_place(
    run_main: RunMain, whisper: Path, tmp_path: Path
) -> None:
    noise = numpy.random.default_rng(0).standard_normal(20 * RATE) * 0.1
    for name, samples in {"noise": noise, "silence": numpy.zeros(20 * RATE)}.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE)
        done = run_main("transcribe", tmp_path / f"{name}.wav", "-m", whisper, "-o", "-")
        assert (done.code, done.stdout) == (0, ""), name
        assert f"{name}.wav: nobody speaks in it" in done.stderr
    everything = run_main("transcribe", tmp_path / "noise.wav", "-m", whisper, "-o", "-", "--no-vad")
    assert everything.stdout.count("Good morning") == 3  # windows of at most 10 s
    late = write_talk(tmp_path / "late.wav", 0.0, 30, 3)
    record = json.loads(run_main("transcribe", late, "-m", whisper, "-o", "-", "--json").stdout)
    assert record["segments"][0]["start"] == pytest.approx(29.8, abs=0.1)


def test_a_model_that_is_sure_of_silence_is_believed(run_main: RunMain, build: Build, talk: Path) -> None:
    done = run_main("transcribe", talk, "-m", build("whisper", silent=True), "-o", "-")
    assert (done.code, done.stdout) == (0, "")


def test_several_sounds_go_together_and_a_batch_resumes(run_main: RunMain, whisper: Path, tmp_path: Path) -> None:
    talks = [write_talk(tmp_path / f"{name}.wav", seconds) for name, seconds in {"a": 3, "b": 3.5, "c": 4}.items()]
    command = ("transcribe", *talks, "-m", whisper, "--format", "srt", "-o", "subs/")
    first = run_main(*command)
    assert (first.code, sorted(first.lines)) == (0, ["subs/a.srt", "subs/b.srt", "subs/c.srt"])
    again = run_main(*command)
    assert (again.code, again.stdout) == (0, "")
    assert "3 done earlier" in again.stderr
    write_talk(tmp_path / "b.wav", 5)
    changed = run_main(*command)
    assert changed.lines == ["subs/b-2.srt"]
    alone = run_main("transcribe", talks[2], "-m", whisper, "-o", "c.srt")
    assert alone.code == 0
    assert Path("c.srt").read_bytes() == Path("subs/c.srt").read_bytes()


def test_rows_and_tables(run_main: RunMain, whisper: Path, tmp_path: Path) -> None:
    write_talk(tmp_path / "a.wav", 3)
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"task": "transcribe", "sound": "a.wav", "id": "one", "word_timestamps": False}) + "\n")
    assert run_main("batch", rows, "-m", whisper, "-o", "out/").code == 0
    assert Path("out/one.txt").read_text().startswith("Good morning")
    table = tmp_path / "table.csv"
    table.write_text("sound,speaker\na.wav,Anna\n")
    done = run_main("transcribe", "--prompts", table, "--column", "sound", "-m", whisper, "-o", "all.csv")
    assert done.code == 0, done.stderr
    assert Path("all.csv").read_text().splitlines() == [
        "sound,speaker,text,language,duration",
        f'a.wav,Anna,"{SAID}",de,3.0',
    ]
    plan = run_main("transcribe", "--prompts", table, "--column", "sound", "-m", whisper, "-o", "out/", "--dry-run")
    assert "1 done earlier, 0 to make" in plan.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--language", "Klingon"], "does not hear 'Klingon'"),
        (["--word-timestamps"], "alignment_heads"),
        (["--temperature", "2"], "--temperature must be 0 to 1"),
        (["--task", "sing"], "unknown task 'sing'"),
    ],
)
def test_what_cannot_be_done_is_said(
    run_main: RunMain, whisper: Path, talk: Path, options: list[str], words: str
) -> None:
    done = run_main("transcribe", talk, "-m", whisper, *options)
    assert done.code == 2
    assert words in done.stderr


def test_an_english_model_hears_english(run_main: RunMain, build: Build, talk: Path) -> None:
    model = build("whisper", languages=())
    done = run_main("transcribe", talk, "-m", model, "-o", "-", "--json", "--language", "english")
    assert json.loads(done.stdout)["language"] == "en"
    assert run_main("transcribe", talk, "-m", model, "--language", "de").code == 2
    assert run_main("transcribe", talk, "-m", model, "--task", "translate").code == 2


def test_an_unfinished_window_is_heard_to_its_end(run_main: RunMain, build: Build, tmp_path: Path) -> None:
    model = build("whisper", script=("<|0.00|>", " Good morning.", "<|3.00|>", "<|3.00|>"))
    talk = write_talk(tmp_path / "talk.wav", 8)
    record = json.loads(run_main("transcribe", talk, "-m", model, "-o", "-", "--json").stdout)
    assert [(round(one["start"]), round(one["end"])) for one in record["segments"]] == [(0, 3), (3, 6), (6, 8)]


def test_a_text_that_repeats_itself_is_heard_again_with_chance(run_main: RunMain, build: Build, talk: Path) -> None:
    words = [" Thank you."] * 40
    model = build("whisper", script=("<|0.00|>", *words, "<|2.00|>"))
    record = json.loads(run_main("transcribe", talk, "-m", model, "-o", "-", "--json").stdout)
    assert record["segments"][0]["temperature"] == 1.0
    asked = json.loads(run_main("transcribe", talk, "-m", model, "-o", "-", "--json", "--temperature", "0.3").stdout)
    assert asked["segments"][0]["temperature"] == 0.3


@pytest.mark.parametrize("suppressed", ["ĠmyĠfriends.", "<|endoftext|>"])
def test_suppressed_tokens_are_left_out_as_the_library_does(
    run_main: RunMain, build: Build, talk: Path, monkeypatch: pytest.MonkeyPatch, suppressed: str
) -> None:
    from transformers import AutoTokenizer

    model = build("whisper")
    file = model / "generation_config.json"
    token = AutoTokenizer.from_pretrained(model).get_vocab()[suppressed]
    file.write_text(json.dumps({**json.loads(file.read_text()), "suppress_tokens": [token]}))
    command = ("transcribe", talk, "-m", model, "-o", "-", "--json")
    ours = json.loads(run_main(*command).stdout)
    monkeypatch.setattr("genai_cli.modality.hearing.whisper.suppress_by_bias", lambda *_: None)
    theirs = json.loads(run_main(*command).stdout)
    assert ours["segments"] == theirs["segments"]
    assert ("my friends." in ours["text"]) == (suppressed == "<|endoftext|>")


def test_a_window_is_encoded_once_though_its_language_is_found(
    run_main: RunMain, whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from genai_cli.modality.hearing.whisper import Whisper

    encode, encoded = Whisper.encode, []
    monkeypatch.setattr(Whisper, "encode", lambda self, windows: encoded.extend(windows) or encode(self, windows))
    talks = [write_talk(tmp_path / f"{number}.wav", 2 + number) for number in (1, 2)]
    done = run_main("transcribe", *talks, "-m", whisper, "-o", "-", "--json")
    assert [json.loads(line)["language"] for line in done.lines] == ["de", "de"]
    assert len(encoded) == len({id(window) for window in encoded}) == 2


@pytest.mark.parametrize("name", ["wav2vec2", "parakeet", "moonshine"])
def test_other_recognisers(run_main: RunMain, build: Build, tmp_path: Path, name: str) -> None:
    model = build(name)
    talks = [write_talk(tmp_path / f"{number}.wav", 2, 3, 2 + number) for number in (1, 2)]
    records = [json.loads(line) for line in run_main("transcribe", *talks, "-m", model, "-o", "-", "--json").lines]
    for record in records:
        times = [time for one in record["segments"] for time in (one["start"], one["end"])]
        assert times == sorted(times)
        assert record["text"]
    alone = json.loads(run_main("transcribe", talks[1], "-m", model, "-o", "-", "--json").stdout)
    assert alone["text"] == records[1]["text"]
    refused = run_main("transcribe", talks[0], "-m", model, "--initial-prompt", "Anna")
    assert (refused.code, "is for Whisper" in refused.stderr) == (2, True)


def test_a_killed_run_goes_on_where_it_was(genai: Genai, whisper: Path, tmp_path: Path, environment: Path) -> None:
    talk = write_talk(tmp_path / "long.wav", *[8.0, 2.0] * 240)
    command = ("transcribe", talk, "-m", whisper, "--format", "srt", "-o", "subs/")
    process = genai.start(*command)
    kept = environment / ".cache" / "genai" / "transcripts"
    deadline = time.monotonic() + 120
    while not any(path.read_bytes().count(b"\n") >= 8 for path in kept.glob("*.jsonl")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1].decode()
    assert process.returncode == 130
    assert "are kept; the same command goes on there" in said
    assert "0/1 done; run the same command to resume" in said
    (part,) = kept.glob("*.jsonl")
    assert oct(part.stat().st_mode & 0o777) == "0o600"
    lines = part.read_text().splitlines()
    first = json.loads(lines[0])
    first["segments"][0]["text"] = " From the first run."
    part.write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
    assert genai(*command).code == 0
    text = (genai.cwd / "subs" / "long.srt").read_text()
    assert text.count("From the first run.") == 1
    assert text.count("Good morning") == 239
    assert not list(kept.glob("*.jsonl"))


def test_a_bar_on_a_terminal_erases_no_text(genai: Genai, whisper: Path, talk: Path) -> None:
    code, shown = in_terminal(["transcribe", str(talk), "-m", str(whisper), "-o", "-"], genai.cwd)
    assert code == 0, shown
    said, _, bar = shown.partition("How are you?")
    assert "Good morning, my friends." in said
    assert bar.startswith("\r\n")
    assert "transcribe, 0:04 min of 0:04 min" in bar


class Interrupting(io.BytesIO):
    """A file whose next read is interrupted."""

    armed = False

    def readinto(self, buffer: Any) -> int:
        if self.armed:
            self.armed = False
            signal.raise_signal(signal.SIGINT)
        return super().readinto(buffer)


def test_an_interrupt_while_a_piece_is_read_is_not_lost() -> None:
    stream = Interrupting()
    soundfile.write(stream, make_talk(3), RATE, format="FLAC")
    stream.seek(0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with soundfile.SoundFile(stream) as file:
            stream.armed = True
            with pytest.raises(KeyboardInterrupt):
                read_piece(file)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_sound_from_a_pipe(run_main: RunMain, whisper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genai_cli.request import input as inputs

    stream = io.BytesIO()
    soundfile.write(stream, make_talk(3), RATE, format="FLAC")
    inputs.spool_stdin.cache_clear()
    done = run_main("transcribe", "-", "-m", whisper, "-o", "-", stdin=stream.getvalue())
    inputs.spool_stdin.cache_clear()
    assert done.stdout.startswith("Good morning")
