"""An option is declared once, on its field; the command, rows, settings, environment, help and completion follow."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from conftest import Genai, RunMain

from genai_cli.cli.app import list_words, load_task
from genai_cli.cli.command import Command
from genai_cli.cli.variables import find_unknown_variables
from genai_cli.errors import InputError
from genai_cli.modality.registry import REGISTRY, find_modality
from genai_cli.request.option import HEADINGS, Option, convert, declared_options, find_field, read_mapping

TASKS = [entry.task for entry in REGISTRY]


@dataclass(frozen=True)
class Example:
    """Options of each type."""

    whole: Annotated[int | None, Option("--whole", "--integer", help="A number.", low=1, high=9)] = None
    share: Annotated[float, Option("--share", help="A number.", low=0, high=1, above=True)] = 0.5
    flag: Annotated[bool, Option("--flag/--no-flag", help="A flag.")] = True
    word: Annotated[str | None, Option("--word", help="A word.", choices=("one", "two"))] = None
    several: Annotated[tuple[str, ...], Option("--several", help="Words.")] = ()
    plain: int = 3


def test_what_is_declared_is_found_by_all_its_names() -> None:
    assert list(declared_options(Example)) == ["whole", "share", "flag", "word", "several"]
    for word in ("whole", "integer", "--integer".strip("-"), " Whole "):
        assert find_field(Example, word) == "whole"
    assert find_field(Example, "no_flag") == "no_flag"


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("whole", "3", 3),
        ("whole", 3.0, 3),
        ("whole", "", None),
        ("share", "0.25", 0.25),
        ("share", 1, 1.0),
        ("flag", "no", False),
        ("flag", "on", True),
        ("several", "one", ("one",)),
        ("several", ["one", "two"], ("one", "two")),
    ],
)
def test_values_are_read_by_their_type(field: str, value: object, read: object) -> None:
    found = read_mapping(Example, {field: value})[field]
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize("value", ["42", "42.0", "4.2e1", " 42 ", 42, 42.0])
def test_text_and_numbers_are_whole_numbers_by_one_rule(value: object) -> None:
    assert convert(value, int | None, "seed") == 42


@pytest.mark.parametrize("value", ["42.5", 42.5, "4.2", "nan", "inf", float("nan"), float("inf"), "1e999999999", "x"])
def test_what_is_no_whole_number_is_none_in_every_form(value: object) -> None:
    with pytest.raises(InputError, match="must be a whole number"):
        convert(value, int | None, "seed")


def test_limits_are_shown_with_all_their_digits() -> None:
    for low, high, words in (
        (0, 2**64 - 1, "0 to 18446744073709551615"),
        (1, 1234567, "1 to 1234567"),
        (0.25, 1.0, "0.25 to 1"),
        (-1234567.5, math.inf, "-1234567.5 or more"),
    ):
        assert Option("--x", help="x", low=low, high=high).range_words() == words


def test_large_whole_numbers_stay_whole() -> None:
    assert convert(2**64 - 1, int | None, "seed") == 2**64 - 1
    assert convert(str(2**64 - 1), int | None, "seed") == 2**64 - 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("whole", 0, "--whole must be 1 to 9, not 0"),
        ("share", 0, "--share must be above 0 and at most 1, not 0"),
        ("share", float("nan"), "--share must be above 0"),
        ("word", "too", "unknown word 'too'"),
    ],
)
def test_values_out_of_range_name_the_option(field: str, value: object, words: str) -> None:
    with pytest.raises(InputError) as raised:
        declared_options(Example)[field].option.check(value)
    assert words in raised.value.message


@pytest.mark.parametrize("task", TASKS)
def test_every_option_of_a_request_is_an_option_of_its_command(task: str) -> None:
    kind = find_modality(task).request
    command = load_task(task).build()
    shown = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for declared in declared_options(kind).values():
        assert {part for name in declared.option.names for part in name.split("/")} <= shown
        assert declared.heading in HEADINGS
        assert list_words()[task][declared.name] == declared.name


@pytest.mark.parametrize("task", TASKS)
def test_help_has_headings_and_the_task_s_own_options_first(run_main: RunMain, task: str) -> None:
    shown = run_main(task, "--help").stdout
    places = [shown.index(f"\n{heading}:") for heading in HEADINGS]
    assert places == sorted(places)
    for meaningless in {"classify": ["--seed", "--num", "--compile", "--c2pa-cert"], "audio": ["--compile"]}.get(
        task, []
    ):
        assert f"{meaningless} " not in shown
        assert f"{meaningless}," not in shown


def test_options_that_are_not_shown_are_still_taken(run_main: RunMain) -> None:
    done = run_main("classify", "good film", "-m", "tiny", "--seed", "3", "-n", "2", "--json")
    assert [json.loads(line)["parameters"]["seed"] for line in done.lines] == [3, 4]


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["image", "--scheduler", "eu"], ["euler", "euler-a", "euler-trailing"]),
        (["text", "-m", "ti"], ["tiny"]),
        (["image", "-m", "sd"], ["sd15", "sdxl", "sdxl-turbo"]),
        (["batch", "--engine", "r"], ["ray"]),
        (["text", "--dtype", "b"], ["bfloat16"]),
        (["rerun", "--scheduler", "uni"], ["unipc"]),
        (["im"], ["image"]),
    ],
)
def test_the_shell_completes_values(genai: Genai, words: list[str], completed: list[str]) -> None:
    line = " ".join(["genai", *words])
    env = {"_GENAI_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    done = genai(env=env)
    assert done.lines == completed, done.stderr


def test_cached_models_and_folders_are_completed(genai: Genai, environment: Path) -> None:
    (environment / "huggingface" / "hub" / "models--owner--name").mkdir(parents=True)
    (genai.cwd / "my-model").mkdir()
    for word, completed in {"own": "owner/name", "my": "my-model/"}.items():
        env = {"_GENAI_COMPLETE": "complete_bash", "COMP_WORDS": f"genai text -m {word}", "COMP_CWORD": "3"}
        assert genai(env=env).lines == [completed]


def test_the_cache_is_looked_for_where_the_desktop_keeps_caches(genai: Genai, tmp_path: Path) -> None:
    (tmp_path / "caches/huggingface/hub/models--owner--name").mkdir(parents=True)
    env = {"_GENAI_COMPLETE": "complete_bash", "COMP_WORDS": "genai text -m own", "COMP_CWORD": "3"}
    assert genai(env={**env, "HF_HOME": "", "XDG_CACHE_HOME": str(tmp_path / "caches")}).lines == ["owner/name"]


def test_two_options_for_one_field_are_refused(run_main: RunMain) -> None:
    done = run_main("image", "a cat", "-m", "tiny", "--size", "64x64", "--width", "32")
    assert (done.code, "--size sets width and height: leave --width and --height out" in done.stderr) == (2, True)


def test_the_variables_of_a_command_ask_for_no_other_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENAI_STEPS", "3")
    command = load_task("image")

    def never() -> list[Command]:
        raise AssertionError("all commands are asked")

    assert list(find_unknown_variables(never, running=[command])) == []
