"""The command as a process: streams, signals, terminals, the environment and the settings file."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from conftest import Genai, in_terminal
from loopback_hub import LoopbackHub

TEXT = ["text", "It was", "--seed", "1", "--max-new-tokens", "8"]


def test_stdout_holds_results_and_nothing_else(genai: Genai, stable_diffusion: Path) -> None:
    done = genai("image", "a cat", "-m", stable_diffusion, "--steps", "2", "--seed", "1", "-v", "-o", "out/")
    assert (done.code, done.stdout) == (0, "out/a-cat-1.png\n")
    assert all(line.startswith("genai: ") for line in done.stderr.splitlines()), done.stderr
    assert "device cpu: " in done.stderr
    assert "dtype " in done.stderr
    assert genai("image", "a cat", "-m", stable_diffusion, "--steps", "2", "-q", "-o", "out/").stderr == ""


def test_the_steps_are_shown_on_a_terminal_only(genai: Genai, stable_diffusion: Path) -> None:
    options = ["image", "a cat", "-m", str(stable_diffusion), "--steps", "3", "--seed", "1"]
    code, shown = in_terminal(options, genai.cwd)
    assert code == 0, shown
    assert re.search(r"picture, step (\d+) of \1\b", shown), shown  # PNDM takes more evaluations than steps
    assert "a-cat-1.png" in shown


def test_a_terminal_says_what_is_loaded_and_which_picture_is_made(genai: Genai, stable_diffusion: Path) -> None:
    options = ["-m", str(stable_diffusion), "--steps", "3", "--scheduler", "ddim", "--seed", "1", "--batch-size", "1"]
    code, shown = in_terminal(["image", "a cat", "a dog", *options, "--no-show"], genai.cwd)
    assert code == 0, shown
    assert shown.startswith(f"loading {stable_diffusion}"[:70])
    assert re.findall(r"picture (\d) of 2, step (\d) of 3", shown) == [(p, s) for p in "12" for s in "0123"]
    # What stays: each bar and stage is erased before the next line.
    kept = [line.rpartition("\x1b[2K")[2] for line in shown.split("\r\n")]
    assert [line.removeprefix("\x1b[?25h") for line in kept] == ["a-cat-1.png", "a-dog-1.png", ""]


def test_the_steps_of_sounds_are_shown(genai: Genai) -> None:
    code, shown = in_terminal(["audio", "a flute", "a drum", "-m", "tiny", "--duration", "0.5"], genai.cwd)
    assert code == 0, shown
    steps = [tuple(map(int, found)) for found in re.findall(r"sounds 1 to 2 of 2, step (\d+) of (\d+)", shown)]
    total = steps[0][1]
    assert steps == [(step, total) for step in range(total + 1)]


def test_a_download_has_one_bar_that_fits(genai: Genai, hub: LoopbackHub, gpt2: Path) -> None:
    hub.add("owner/a-name-that-is-too-long-for-a-terminal-of-eighty-columns-and-goes-on", gpt2)
    name = next(iter(hub.commits))
    code, shown = in_terminal(["models", "pull", name], genai.cwd, env={"COLUMNS": "80"})
    assert code == 0, shown
    drawn = [re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", shown)]
    bars = [line for line in drawn if "%" in line]
    assert bars
    assert all(re.match(r"a-name-\S*\.\.\.  [\d.]+ k?B of [\d.]+ kB, [\d.]+ ", line) for line in bars), bars
    assert max(map(len, bars)) < 80


def test_control_characters_from_a_model_are_harmless_on_a_terminal_and_exact_in_a_pipe(
    genai: Genai, gpt2: Path
) -> None:
    prompt = "evil \x1b]0;title\x07 text"
    options = ["text", prompt, "-m", str(gpt2), "--max-new-tokens", "4", "--temperature", "0"]
    code, shown = in_terminal(options, genai.cwd)
    assert code == 0, shown
    assert "\x1b]0;" not in shown
    assert "evil \N{SYMBOL FOR ESCAPE}]0;title\N{SYMBOL FOR BELL} text" in shown
    assert genai(*options).stdout.startswith(prompt)


def test_text_streams_before_it_is_done_and_a_closed_pipe_ends_it(genai: Genai, llama_chat: Path) -> None:
    process = genai.start(
        "text", "Hello there", "-m", llama_chat, "--no-chat", "--max-new-tokens", "200", "--seed", "1"
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(1) == b"H"
    process.stdout.close()
    process.wait(timeout=240)
    assert process.returncode == 141
    assert process.stderr.read() == b""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_in_order(genai: Genai, stable_diffusion: Path, sent: signal.Signals, code: int) -> None:
    process = genai.start("image", "a cat", "-m", stable_diffusion, "--steps", "900", "-v", "-o", "out/")
    assert process.stderr is not None
    told = b""
    while b"loaded in" not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    process.send_signal(sent)
    assert process.wait(timeout=240) == code
    assert b"Traceback" not in process.stderr.read()
    assert not (genai.cwd / "out").exists()


def test_help_into_a_closed_pipe(genai: Genai) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = genai.start("image", "--help", stdout=writer)
    os.close(writer)
    _, stderr = process.communicate(timeout=240)
    assert (process.returncode, stderr) == (141, b"")


def test_a_full_disk_on_stdout_is_an_output_error(genai: Genai, gpt2: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("wb") as full:
        process = genai.start(*TEXT, "-m", gpt2, stdout=full)
        _, stderr = process.communicate(timeout=240)
    assert process.returncode == 6
    assert stderr.decode().startswith("genai: error: cannot write: No space left on device")


def test_an_output_that_cannot_be_written_is_found_before_the_model(genai: Genai) -> None:
    (genai.cwd / "file").write_text("mine")
    done = genai("image", "a cat", "-m", "owner/never-asked-for", "-o", "file/x.png")
    assert done.code == 6
    assert "Not a directory" in done.stderr
    assert (genai.cwd / "file").read_text() == "mine"
    assert genai("image", "a cat", "-o", "/proc/x/").code == 6


def test_the_order_is_option_environment_file_default(genai: Genai, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('model = "file/common"\n[image]\nmodel = "file/image"\n')
    asks = ["image", "a cat", "--dry-run"]

    def model(arguments: list[str], **env: str) -> str:
        told = genai(*arguments, env=env).stderr
        found = re.search(r" with (\S+);", told)
        assert found, told
        return found[1]

    assert model(asks) == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert model(asks, GENAI_CONFIG=str(config)) == "file/image"
    assert model(["text", "a", "--dry-run"], GENAI_CONFIG=str(config)) == "file/common"
    assert model(asks, GENAI_CONFIG=str(config), GENAI_MODEL="env/common") == "env/common"
    both = {"GENAI_MODEL": "env/common", "GENAI_IMAGE_MODEL": "env/image"}
    assert model(asks, GENAI_CONFIG=str(config), **both) == "env/image"
    assert model([*asks, "-m", "option/image"], GENAI_CONFIG=str(config), **both) == "option/image"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model = ", "config.toml"),
        ("modle = 'x'", "no command has an option 'modle'"),
        ("[imagee]\nsteps = 3", "there is no command 'imagee'"),
        ("[image]\ntemperature = 1", "genai image has no option 'temperature'"),
        ("[image]\nsteps = 'many'", "--steps"),
    ],
)
def test_a_broken_settings_file_is_named(genai: Genai, tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    done = genai("image", "a cat", "--dry-run", env={"GENAI_CONFIG": str(config)})
    assert done.code == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_every_option_has_its_variable(genai: Genai) -> None:
    done = genai("image", "a cat", "--dry-run", env={"GENAI_STEPS": "0"})
    assert (done.code, "--steps" in done.stderr) == (2, True)
    assert genai("image", "a cat", env={"GENAI_DRY_RUN": "1", "GENAI_OUTPUT": "pics/", "GENAI_SEED": "4"}).stdout == (
        "pics/a-cat-4.png\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["image", "a", "--device", "tpu"], 2, "unknown device 'tpu'"),
        (["image", "a", "--dtype", "float8"], 2, "unknown dtype 'float8'"),
        (["image", "a", "-n", "0"], 2, "--num must be 1 or more"),
        (["image", "a", "--size", "64"], 2, "WIDTHxHEIGHT"),
        (["image", "a", "--size", "64x64", "--width", "64"], 2, "--size sets width and height"),
        (["image", "a", "-o", "a.gif"], 2, "cannot write .gif here"),
        (["image", "a", "-n", "2", "-o", "-"], 2, "writes one file"),
        (["image", "a", "-m", "sd51"], 4, "unknown model 'sd51'"),
        (["image", "a", "-m", "../none"], 4, "no folder"),
        (["image", "--prompts", "none.txt"], 2, "none.txt"),
        (["image", "a", "--prompts", "none.txt"], 2, "not both"),
        (["image", "a", "--json", "-o", "-"], 2, "both want stdout"),
        (["image", "a", "--frobnicate"], 2, "No such option"),
        (["imagine", "a"], 2, "imagine"),
        (["classify", "-"], 2, "standard input holds no prompts"),
    ],
)
def test_bad_input_gets_one_line_a_hint_and_its_code(genai: Genai, arguments: list[str], code: int, words: str) -> None:
    done = genai(*arguments)
    lines = done.stderr.splitlines()
    assert done.code == code, done.stderr
    assert lines[0].startswith("genai: error: ")
    assert words in lines[0]
    assert len(lines) <= 2
    assert all(line.startswith("hint: ") for line in lines[1:])
    assert done.stdout == ""
    assert list(genai.cwd.iterdir()) == []


def test_a_device_that_is_not_there_says_what_is(genai: Genai, gpt2: Path) -> None:
    done = genai(*TEXT, "-m", gpt2, "--device", "cuda:99")
    assert done.code == 7
    assert "this machine has: " in done.stderr
    assert "cpu" in done.stderr


def test_a_traceback_only_with_debug(genai: Genai) -> None:
    assert "Traceback" not in genai("image", "").stderr
    assert "Traceback" in genai("image", "", "--debug").stderr


def test_several_prompts_and_json_lines(genai: Genai, distilbert: Path) -> None:
    done = genai("classify", "one", "-", "-m", distilbert, "--json", stdin="two\nthree\n")
    records = [json.loads(line) for line in done.lines]
    assert [record["prompt"] for record in records] == ["one", "two", "three"]
    assert all(record["status"] == "done" and record["file"] is None for record in records)
    assert len({record["key"] for record in records}) == 3


def test_a_dry_run_on_a_terminal_leaves_its_lines_alone(genai: Genai) -> None:
    code, shown = in_terminal(["text", "Hello", "-m", "tiny", "--dry-run", "--seed", "1"], genai.cwd)
    assert code == 0, shown
    assert [line.rpartition("\x1b[2K")[2] for line in shown.split("\r\n")] == [
        "hello-1.txt",
        "genai: would make 1 result with tiny; nothing was loaded or written",
        "",
    ]


def test_a_download_is_not_counted_as_a_picture(genai: Genai, hub: LoopbackHub, stable_diffusion: Path) -> None:
    hub.add("owner/name", stable_diffusion)
    options = ["-m", "owner/name", "--steps", "2", "--scheduler", "ddim", "--batch-size", "1"]
    code, shown = in_terminal(["image", "a cat", "a dog", *options], genai.cwd)
    assert code == 0, shown
    assert "%" in shown.partition("picture 1 of 2, step 0 of 2")[0]
    assert re.findall(r"picture (\d) of 2, step (\d) of 2", shown) == [(p, s) for p in "12" for s in "012"]


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("true", True), ("false", False), ("0", False), ("", False)])
def test_the_variable_for_tracebacks_is_a_flag(genai: Genai, value: str, shown: bool) -> None:
    done = genai("show", "no-such.png", env={"GENAI_DEBUG": value})
    assert done.code == 2
    assert ("Traceback" in done.stderr) == shown
    assert "Traceback" in genai("show", "no-such.png", "--debug").stderr
