"""The models that genai knows by a short name: genai models list, and genai models show without a network."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Genai, RunMain, in_terminal
from loopback_hub import LoopbackHub

from genai_cli.device.machine import Machine, describe_machine
from genai_cli.hub.catalog import KnownModel
from genai_cli.hub.license import explain_license
from genai_cli.hub.names import HUB_NAME
from genai_cli.hub.reference import BUILT_IN
from genai_cli.modality.registry import REGISTRY, find_modality, load_catalog

KNOWN = [known for kind in load_catalog().kinds for known in kind.known]
NARROW = {"COLUMNS": "80"}


def test_names_are_unique_and_the_first_of_a_kind_is_the_task_s_own() -> None:
    aliases, repositories = [known.alias for known in KNOWN], [known.repository for known in KNOWN]
    assert len({*aliases, BUILT_IN}) == len(aliases) + 1
    assert len(set(repositories)) == len(repositories)
    assert all(HUB_NAME.fullmatch(name) for name in repositories)
    assert not any("/" in alias or alias != alias.lower() for alias in aliases)
    for entry in REGISTRY:
        modality = find_modality(entry.task)
        own = [known.alias for known in modality.models.known[:1]]
        assert own in ([modality.request.default_model], [])
        assert modality.request.default_model in load_catalog().own


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.alias)
def test_sizes_go_with_the_number_of_parameters(known: KnownModel) -> None:
    """A file has two or four bytes for each parameter, and some parts may be of the other dtype."""
    assert 1.9 <= known.download / known.parameters <= 4.5
    if known.memory is not None:
        estimate, measured = replace(known, memory=None).find_memory("cpu", 4)
        assert not measured
        assert estimate == pytest.approx(known.memory * 10**6, rel=0.21)


def test_measured_memory_is_that_of_float32_on_a_cpu() -> None:
    known = KnownModel("a", "o/a", "", 100, 200, "mit", memory=700)
    assert known.find_memory("cpu", 4) == (700_000_000, True)
    assert known.find_memory("cuda", 2) == (650_000_000, False)
    assert known.find_memory("cpu", 2)[1] is False


def test_a_tenth_of_the_memory_is_left_to_others() -> None:
    machine = Machine("cpu", 10_000, "float32")
    assert machine.fits(9_000)
    assert not machine.fits(9_001)
    assert describe_machine().memory > 10**9


def test_the_list_shows_what_can_be_fetched(run_main: RunMain) -> None:
    done = run_main("models", "list")
    local, known = done.stdout.split("\n\n")
    assert [line.split()[:2] for line in local.splitlines()[1:]] == [
        ["tiny", f"({task})"] for task in load_catalog().built_in_tasks()
    ]
    header, *lines = known.splitlines()
    assert header.split() == ["NAME", "TASK", "FETCH", "MEMORY", "FITS", "LICENCE", "GOOD", "FOR"]
    assert [line.split()[0] for line in lines] == [known.alias for known in KNOWN]
    rows = {line.split()[0]: re.split("  +", line) for line in lines}
    assert rows["gpt2"] == ["gpt2", "text", "548.0 MB", "948.0 MB", "yes", "mit", "continues English text"]
    assert rows["sdxl"][3].startswith("~")
    assert "not measured here" in done.stderr
    assert run_main("models", "list", "--here").stdout == local + "\n"
    assert run_main("models", "list", "-q").stderr == ""


def test_the_list_as_records(run_main: RunMain) -> None:
    records = [json.loads(line) for line in run_main("models", "list", "--json").lines]
    assert {record["name"] for record in records if record["here"]} == {"tiny"}
    known = {record["alias"]: record for record in records if not record["here"]}
    assert set(known) == {known.alias for known in KNOWN}
    assert known["gpt2"]["memory"] == 948_000_000
    assert (known["gpt2"]["measured"], known["gpt2-xl"]["measured"]) == (True, False)
    assert known["gpt2"]["fits"] is True


def test_a_machine_that_is_too_small_is_said(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genai_cli.device.machine.read_main_memory", lambda: 4 * 10**9)
    rows = {line.split()[0]: line for line in run_main("models", "list").lines if line}
    assert (" yes " in rows["gpt2"], " no " in rows["sdxl"]) == (True, True)
    assert "it does not fit" in run_main("models", "show", "sdxl").stdout


def test_models_on_this_machine_are_marked(genai: Genai, hub: LoopbackHub, gpt2: Path) -> None:
    hub.add("openai-community/gpt2", gpt2)
    long = "owner/a-name-that-is-far-too-long-for-a-column-of-a-terminal-with-80-columns"
    hub.add(long, gpt2)
    for name in ("gpt2", long):
        assert genai("models", "pull", name).code == 0
    rows = {line.split()[0]: line.split() for line in genai("models", "list").lines if line}
    assert rows["gpt2"][2] == "here"
    records = [json.loads(line) for line in genai("models", "list", "--json").lines]
    assert [record["here"] for record in records if record.get("alias") == "gpt2"] == [True]
    code, shown = in_terminal(["models", "list"], genai.cwd, NARROW)
    assert code == 0
    lines = shown.split("\r\n")
    assert max(map(len, lines)) <= 80, lines
    assert long in lines
    assert re.match(r" +[0-9a-f]{8} ", lines[lines.index(long) + 1])
    assert not any("GOOD FOR" in line for line in lines)


def test_listing_does_not_wait_for_torch() -> None:
    code = """if True:
        import sys
        from genai_cli.cli.main import main
        main(["models", "list"])
        print("torch" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("name", ["sdxl-turbo", "stabilityai/sdxl-turbo"])
@pytest.mark.parametrize("options", [[], ["--offline"]])
def test_a_known_model_is_shown_without_a_network(genai: Genai, name: str, options: list[str]) -> None:
    done = genai("models", "show", name, *options)
    assert done.code == 0
    assert done.stdout.startswith("stabilityai/sdxl-turbo\nlicence: sai-nc-community\nsize here: not in the cache\n")
    for line in (
        "fetch: 6.9 GB",
        "command: genai image ... -m sdxl-turbo --steps 2 --guidance 0",
        "page: https://huggingface.co/stabilityai/sdxl-turbo",
    ):
        assert line in done.lines
    assert "not measured" in done.stdout
    assert "what follows is what genai knows" in done.stderr
    record = json.loads(genai("models", "show", name, "--json", *options).stdout)
    assert (record["alias"], record["download"], record["card"]) == ("sdxl-turbo", 6_938_000_000, [])


def test_a_licence_that_restricts_is_known_by_its_name() -> None:
    restricted = {known.alias for known in KNOWN if explain_license(known.alias, known.license)}
    assert restricted == {"sdxl-turbo", "musicgen", "musicgen-stereo", "musicgen-medium", "mms-tts"}


def test_a_card_of_the_hub_is_shown_with_what_genai_knows(genai: Genai, hub: LoopbackHub, gpt2: Path) -> None:
    hub.add("openai-community/gpt2", gpt2)
    done = genai("models", "show", "gpt2")
    assert (done.code, done.stderr) == (0, "")
    assert "good for: continues English text" in done.lines
    assert "command: genai text ... -m gpt2" in done.lines


def test_tiny_is_a_page(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page, whole = run_main("models", "show", "tiny"), run_main("models", "show", "tiny", "-v")
    assert len(page.lines) < 18 * len(load_catalog().built_in_tasks())
    assert max(map(len, page.lines)) <= 80
    assert "|" not in page.stdout
    for task in load_catalog().built_in_tasks():
        assert f"tiny, {task}: apache-2.0, " in page.stdout
    for words in ("no photographs", "It knows two labels", "nothing but those novels", "not for listening"):
        assert words in " ".join(page.stdout.split())
    assert len(whole.lines) > 140
    assert "-v shows the whole cards" in page.stderr
