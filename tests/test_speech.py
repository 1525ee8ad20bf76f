"""Sounds: what of the text a model does not read, what its generation_config states, and the exact duration."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from checkpoint_parts import update_json
from checkpoints_decoding import copy_with
from conftest import RunMain
from readers import record_of, wave_samples
from transformers import AutoTokenizer

from genai_cli.modality.decoding.reading import encode, find_unread, reads_some

QUICK = ["--duration", "0.3", "--seed", "7"]


def speak(run_main: RunMain, folder: Path, text: str, name: str = "a.wav") -> tuple[str, list[int]]:
    """What was said on stderr, and the samples."""
    done = run_main("audio", text, "-m", folder, "-o", name, "--seed", "1")
    assert done.code == 0, done.stderr
    return done.stderr, list(wave_samples(Path(name))[2])


# What cannot be read


def test_letters_that_a_voice_cannot_read_are_named(run_main: RunMain, vits: Path) -> None:
    said, _ = speak(run_main, vits, "i have 3 cats & 1 dog, é!", "a.wav")
    assert said.count("cannot read") == 1
    assert "cannot read '3', '&', '1', 'é'; skipped" in said
    assert "cannot read" not in speak(run_main, vits, "I have cats, and a dog!", "b.wav")[0]


@pytest.mark.parametrize("text", ["333", "...", "你好", "\N{GUITAR}"])
def test_a_text_without_a_letter_for_the_voice_is_refused(run_main: RunMain, vits: Path, text: str) -> None:
    done = run_main("audio", text, "-m", vits)
    assert (done.code, f"can read nothing of {text!r}" in done.stderr) == (2, True), done.stderr
    assert list(Path().iterdir()) == []


def test_one_unreadable_row_is_no_other_s(run_main: RunMain, vits: Path, musicgen: Path) -> None:
    for folder, more in (vits, []), (musicgen, QUICK):
        Path("p.txt").write_text("hello\n你好\nthere\n", encoding="utf-8")
        done = run_main("audio", "--prompts", "p.txt", "-m", folder, "--json", *more)
        assert done.code == 3, done.stderr
        assert [json.loads(line)["status"] for line in done.lines] == ["done", "failed", "done"]


def test_a_blank_that_is_a_letter_too_does_not_hide_the_letter(vits: Path, tmp_path: Path) -> None:
    """As MMS has it: its padding is a letter of the language."""
    folder = tmp_path / "mms"
    shutil.copytree(vits, folder)
    vocabulary = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(
        json.dumps({"k" if name == "<pad>" else name: n for name, n in vocabulary.items() if name != "k"})
    )
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        update_json(folder / name, pad_token="k")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert encode(tokenizer, "k") == [0]
    assert (find_unread(tokenizer, ["kick", "7up"]), reads_some(tokenizer, "k")) == (["7"], True)


def test_words_unknown_to_bark_and_what_it_cuts_are_named(run_main: RunMain, bark: Path) -> None:
    said, _ = speak(run_main, bark, "hello 你好 there")
    assert "cannot read '你好'; skipped" in said
    long = " ".join(["hello"] * 50 + ["goodbye"])
    said, samples = speak(run_main, bark, long, "long.wav")
    assert "and the model reads 32; cut off: " in said
    assert said.rstrip().endswith("goodbye'")
    assert samples == speak(run_main, bark, long + " and more", "longer.wav")[1]  # or nothing was cut
    assert "cut off" not in speak(run_main, bark, "hello there", "short.wav")[0]
    assert run_main("audio", "你好", "-m", bark).code == 2


def test_words_unknown_to_music_are_named(run_main: RunMain, musicgen: Path) -> None:
    done = run_main("audio", "rock \N{GUITAR} 音乐", "-m", musicgen, *QUICK)
    assert done.code == 0
    assert "cannot read '\N{GUITAR}', '音乐'; skipped" in done.stderr
    assert run_main("audio", "音乐", "-m", musicgen, *QUICK).code == 2


# The duration


@pytest.mark.parametrize(
    ("asked", "frames"), [("0.02", 1), ("0.03", 2), ("0.04", 2), ("0.06", 3), ("0.08", 4), ("0.51", 26)]
)
def test_a_sound_is_as_long_as_its_record_says(run_main: RunMain, musicgen: Path, asked: str, frames: int) -> None:
    done = run_main("audio", "rock", "-m", musicgen, "--duration", asked, "--seed", "7", "-o", "a.wav")
    assert done.code == 0, done.stderr
    assert len(wave_samples(Path("a.wav"))[2]) == frames * 640
    assert record_of(Path("a.wav"))["parameters"]["duration"] == pytest.approx(frames / 50)
    assert run_main("rerun", "a.wav", "--verify").code == 0


# What the checkpoint states


def hear(run_main: RunMain, folder: Path, *options: str) -> tuple[dict[str, Any], str]:
    """The record of a sound, and what was said."""
    done = run_main("audio", "rock", "-m", folder, "--json", *QUICK, *options)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("guidance", ["1", "3"])
@pytest.mark.parametrize(
    "stated",
    [
        {"repetition_penalty": 1.3},
        {"num_beams": 4},
        {"num_return_sequences": 2, "num_beams": 2},
        {"stop_strings": ["x"]},
        {"no_repeat_ngram_size": 2},
        {"min_new_tokens": 500},
        {"forced_eos_token_id": 3},
        {"bad_words_ids": [[3]]},
        {"suppress_tokens": "all"},
        {"penalty_alpha": 0.6},
    ],
)
def test_what_music_does_not_do_is_said(
    run_main: RunMain, musicgen: Path, tmp_path: Path, stated: dict[str, Any], guidance: str
) -> None:
    folder = copy_with(musicgen, tmp_path / "m", **stated)
    record, said = hear(run_main, folder, "--guidance", guidance)
    assert next(iter(stated)) in said
    assert "generation_config states" in said
    assert "generation_config" not in record["parameters"]
    assert record["content_sha256"] == hear(run_main, musicgen, "--guidance", guidance)[0]["content_sha256"]


def test_music_is_drawn_as_stated(run_main: RunMain, musicgen: Path, tmp_path: Path) -> None:
    folder = copy_with(
        musicgen, tmp_path / "m", do_sample=True, temperature=0.8, top_k=9, top_p=0.7, guidance_scale=2.0
    )
    stated, _ = hear(run_main, folder)
    assert stated["parameters"]["temperature"] == 0.8
    assert (stated["parameters"]["top_k"], stated["parameters"]["guidance_scale"]) == (9, 2.0)
    assert stated["parameters"]["generation_config"] == {"top_p": 0.7}
    options = ["--temperature", "0.8", "--top-k", "9", "--guidance", "2"]
    assert hear(run_main, musicgen, *options)[0]["content_sha256"] != stated["content_sha256"]
    one = copy_with(musicgen, tmp_path / "one", do_sample=True, min_p=1.0, suppress_tokens=[1, 2])
    greedy = copy_with(musicgen, tmp_path / "greedy", do_sample=False, suppress_tokens=[1, 2])
    records = [hear(run_main, model)[0] for model in (one, greedy)]
    assert records[0]["content_sha256"] == records[1]["content_sha256"]
    assert [record["parameters"]["temperature"] for record in records] == [1.0, 0.0]


def change_stage(folder: Path, place: Path, stage: str, **stated: Any) -> Path:
    shutil.copytree(folder, place)
    path = place / "generation_config.json"
    update_json(path, **{stage: json.loads(path.read_text())[stage] | stated})
    return place


def test_each_stage_of_bark_draws_as_it_states(run_main: RunMain, bark: Path, tmp_path: Path) -> None:
    cool = change_stage(bark, tmp_path / "cool", "semantic_config", temperature=0.2)
    records = []
    for folder, more in (bark, []), (cool, []), (cool, ["--temperature", "1"]):
        done = run_main("audio", "hello there", "-m", folder, "--seed", "1", "--json", *more)
        assert done.code == 0, done.stderr
        records.append(json.loads(done.stdout))
    plain, own, asked = records
    assert plain["parameters"]["temperature"] == 1.0
    assert own["parameters"]["generation_config"] == {"semantic_temperature": 0.2}
    assert own["parameters"]["temperature"] is None
    assert own["content_sha256"] != plain["content_sha256"]
    assert asked["content_sha256"] == plain["content_sha256"]  # the option is for all stages


@pytest.mark.parametrize(
    "stated", [{"num_return_sequences": 2}, {"stop_strings": ["x"]}, {"penalty_alpha": 0.6, "top_k": 4}]
)
def test_what_a_stage_of_bark_cannot_do_is_said(
    run_main: RunMain, bark: Path, tmp_path: Path, stated: dict[str, Any]
) -> None:
    folder = change_stage(bark, tmp_path / "m", "semantic_config", **stated)
    said, _ = speak(run_main, folder, "hello there")
    assert f"generation_config states: {next(iter(stated))}" in said


def test_numbers_out_of_range_are_not_taken(run_main: RunMain, musicgen: Path, tmp_path: Path) -> None:
    folder = copy_with(musicgen, tmp_path / "m", do_sample=True, temperature=1e6, top_k=-1, guidance_scale=1e9)
    record, said = hear(run_main, folder)
    assert "temperature" in said
    parameters = record["parameters"]
    assert (parameters["temperature"], parameters["top_k"], parameters["guidance_scale"]) == (1.0, 0, 3.0)
