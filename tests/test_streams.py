"""Standard streams: what is piped in, closed streams, several results on stdout, and what people type from habit."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMMAND, TIMEOUT, Genai, RunMain, in_terminal

GREEDY = ["-m", "tiny", "--max-new-tokens", "3", "--temperature", "0"]
OPTIONS = shlex.join(GREEDY)
SLOW = "(mkfifo wait; read -t 4 <>wait; cat in.txt) | {}"  # longer than an open pipe is waited for


def shell(cwd: Path, script: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a script of the shell; `genai` in it is the command."""
    folder = os.pathsep.join([str(COMMAND.parent), os.environ["PATH"]])
    settings = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": TIMEOUT} | options
    return subprocess.run(["bash", "-c", script], cwd=cwd, env=os.environ | {"PATH": folder}, **settings)  # type: ignore[call-overload, no-any-return]


# Closed streams


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (f"text Once {OPTIONS} -o a.txt", 0),
        ("classify good -m tiny --json", 0),
        ("--version", 0),
        ("image --help", 0),
        ("text", 2),
        ("classify - -m tiny", 2),
        ("batch - -o out/", 2),
    ],
)
def test_closed_streams_are_empty_and_no_crash(genai: Genai, closed: str, command: str, code: int) -> None:
    done = shell(genai.cwd, f"genai {command} {closed}")
    assert done.returncode == code, done.stderr
    assert "a bug in genai" not in done.stderr + done.stdout
    if "2>&-" in closed and code:
        assert done.stdout == ""  # an error is not a result
    if "a.txt" in command:
        assert (genai.cwd / "a.txt").read_text().startswith("Once")


def test_what_is_opened_after_a_closed_stream_does_not_take_its_place(genai: Genai) -> None:
    """Else what is printed would go into the first file that is written."""
    done = shell(genai.cwd, 'genai batch - -o out/ <<< \'{"task": "text", "prompt": "a"}\' -m tiny >&- 2>&-')
    assert done.returncode == 0
    lines = (genai.cwd / "out" / "manifest.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("{") for line in lines)


def test_stdin_that_cannot_be_read_is_an_input_error(genai: Genai) -> None:
    done = shell(genai.cwd, "genai classify - -m tiny 0>file; genai classify --prompts - -m tiny 0>file")
    assert done.returncode == 2
    assert done.stderr.count("standard input cannot be read") == 2


# What is piped in


def test_a_pipe_or_a_file_is_read_where_no_prompt_is_given(genai: Genai) -> None:
    (genai.cwd / "in.txt").write_text("good film\nbad film\n")
    for script in ("cat in.txt | genai classify -m tiny", "genai classify -m tiny < in.txt"):
        assert len(shell(genai.cwd, script).stdout.splitlines()) == 2
    assert genai("classify", "-m", "tiny", stdin="good film\n").stdout.startswith("POSITIVE")


@pytest.mark.parametrize("pipe", ["printf 'a\\nb\\n' | {}", "{} < in.txt", "{} <<< $'a\\nb'", SLOW])
def test_with_a_prompt_the_piped_text_comes_after_a_blank_line(genai: Genai, pipe: str) -> None:
    (genai.cwd / "in.txt").write_text("a\nb\n")
    done = shell(genai.cwd, pipe.format(f"genai text 'Write more' {OPTIONS}"))
    assert done.stdout.startswith("Write more\n\na\nb"), done.stderr


def test_an_empty_pipe_adds_nothing_to_a_prompt(genai: Genai) -> None:
    empty = shell(genai.cwd, f"true | genai text 'Write more' {OPTIONS}").stdout
    assert empty.startswith("Write more")
    assert "\n\n" not in empty


def test_a_text_to_classify_takes_no_piped_text(genai: Genai) -> None:
    assert len(shell(genai.cwd, "echo bad | genai classify good -m tiny").stdout.splitlines()) == 1


@pytest.mark.parametrize("loop", ["while read -r p; do {}; done < in.txt", "cat in.txt | while read -r p; do {}; done"])
def test_the_rows_of_a_loop_are_left_to_it(genai: Genai, loop: str) -> None:
    (genai.cwd / "in.txt").write_text("one\ntwo\nthree\n")
    done = shell(genai.cwd, loop.format(f'timeout 100 genai text "$p" {OPTIONS}'))
    assert [line.split()[0][:3] for line in done.stdout.splitlines()] == ["one", "two", "thr"], done


def test_the_lines_of_a_script_are_left_to_the_shell(genai: Genai) -> None:
    done = subprocess.run(
        ["bash"],
        input=f"{COMMAND} text One {OPTIONS}\n{COMMAND} text\necho end\n",
        cwd=genai.cwd,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.stdout.splitlines()[-1] == "end"
    assert done.stdout.startswith("One")
    assert "no prompt given" in done.stderr


def test_a_pipe_that_nobody_writes_is_not_waited_for(genai: Genai) -> None:
    for arguments, code in ((["text", "Once", *GREEDY], 0), (["text", *GREEDY], 2)):
        process = genai.start(*arguments)
        assert process.wait(timeout=TIMEOUT) == code  # with stdin open
    reader, writer = os.pipe()  # one that the caller has itself, as a service has
    done = subprocess.run(
        [sys.executable, "-c", f"import subprocess; exit(subprocess.call({[str(COMMAND), 'text', 'Once', *GREEDY]}))"],
        cwd=genai.cwd,
        stdin=reader,
        timeout=TIMEOUT,
    )
    os.close(reader)
    os.close(writer)
    assert done.returncode == 0


# Several results on stdout


def test_bytes_never_go_to_a_terminal(genai: Genai) -> None:
    for task in ("image", "audio"):
        code, shown = in_terminal([task, "a red circle", "-m", "tiny", "-o", "-"], genai.cwd)
        assert (code, "-o - would write the bytes of a file to the terminal" in shown) == (2, True)
        assert "hint: -o NAME" in shown
    assert genai("image", "a red circle", "-m", "tiny", "-o", "-").stdout_bytes.startswith(b"\x89PNG")


def test_texts_on_a_terminal_have_a_rule_between_them(genai: Genai) -> None:
    code, shown = in_terminal(["text", "It was", "Once upon", *GREEDY], genai.cwd)
    assert code == 0
    lines = shown.replace("\r", "").splitlines()
    place = lines.index("-" * 40)
    assert lines[place - 1] == ""
    assert lines[place + 1].startswith("Once upon")
    assert shown.count("-" * 40) == 1
    assert "---" not in genai("text", "It was", "Once upon", *GREEDY).stdout


def test_null_ends_each_result(run_main: RunMain) -> None:
    prompts = ["It was", "Once upon\na time"]
    texts = run_main("text", *prompts, *GREEDY, "-0").stdout.split("\0")
    assert [text.startswith(prompt) for text, prompt in zip(texts, [*prompts, ""], strict=True)] == [True] * 3
    assert texts[2] == ""
    single = run_main("text", prompts[0], *GREEDY).stdout
    assert run_main("text", prompts[0], *GREEDY, "--null").stdout == single.removesuffix("\n") + "\0"
    labels = run_main("classify", "good", "bad film", "-m", "tiny", "--top", "0", "-0").stdout
    assert [len(part.splitlines()) for part in labels.split("\0")] == [2, 2, 0]
    paths = run_main("text", *prompts, *GREEDY, "-0", "-o", "out/").stdout.split("\0")
    assert [Path(path).is_file() for path in paths[:2]] == [True, True]
    assert run_main("text", "a", *GREEDY, "-0", "--json").code == 2


def test_with_a_folder_the_paths_are_shown_in_row_order(run_main: RunMain, gpt2: Path) -> None:
    """Texts are made in groups by their lengths, and models one after another."""
    words = ["word " * number for number in (9, 1, 7, 3, 8, 2)]
    models = ["tiny", str(gpt2)]
    rows = [
        f'{{"task": "text", "prompt": "{word}", "id": "r{n}", "model": "{models[n % 2]}"}}'
        for n, word in enumerate(words)
    ]
    rows.insert(3, '{"task": "classify", "prompt": "good", "id": "label", "model": "tiny"}')
    options = ("--batch-size", "2", "-o", "out/")
    done = run_main("batch", "-", *options, stdin="\n".join(rows))
    expected = [f"out/{name}.txt" for name in ("r0", "r1", "r2", "label", "r3", "r4", "r5")]
    assert done.lines == expected, done.stderr
    Path("out/manifest.jsonl").write_text("".join(Path("out/manifest.jsonl").read_text().splitlines(keepends=True)[:4]))
    again = run_main("batch", "-", *options, stdin="\n".join(rows)).lines
    names = [path.replace("-2.txt", ".txt") for path in again]  # a file that is there is not overwritten
    assert len(names) == 4
    assert names == sorted(names, key=expected.index)
    assert run_main("text", "It was", *GREEDY, "-o", "one/").lines == [str(path) for path in Path("one").glob("*.txt")]


# What people type


def test_nothing_asks_for_the_help(genai: Genai) -> None:
    for arguments in ([], ["models"]):
        bare, asked = genai(*arguments), genai(*arguments, "--help")
        assert (bare.code, bare.stderr, bare.stdout) == (0, "", asked.stdout)
        assert len(bare.lines) > 10


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["help"], ["--help"]),
        (["help", "image"], ["image", "--help"]),
        (["help", "models", "pull"], ["models", "pull", "--help"]),
        (["version"], ["--version"]),
        (["-v"], ["--version"]),
        (["list"], ["models", "list"]),
        (["--json", "list"], ["models", "list", "--json"]),
        (["pull", "tiny"], ["models", "pull", "tiny"]),
        (["-q", "--json", "classify", "good", "-m", "gtp2"], ["classify", "good", "-m", "gtp2", "-q", "--json"]),
    ],
)
def test_what_is_typed_from_habit_leads_to_the_right_place(genai: Genai, typed: list[str], meant: list[str]) -> None:
    done, right = genai(*typed), genai(*meant)
    assert (done.code, done.stdout, done.stderr) == (right.code, right.stdout, right.stderr)
    assert "No such" not in done.stderr


def test_a_prompt_that_begins_with_a_dash(genai: Genai) -> None:
    refused = genai("text", "-5 degrees", *GREEDY)
    assert refused.code == 2
    assert "comes after --: genai text -- " in refused.stderr
    assert genai("text", *GREEDY, "--", "-5 degrees").stdout.startswith("-5 degrees")
    early = genai("-m", "tiny", "text", "a")
    assert (early.code, "comes after the command: genai COMMAND -m" in early.stderr) == (2, True)


def test_unquoted_words_are_one_prompt(run_main: RunMain) -> None:
    done = run_main("text", "Once", "upon", "a", "time", *GREEDY)
    assert done.stdout == run_main("text", "Once upon a time", *GREEDY).stdout
    assert done.stderr.count("'Once upon a time' is taken as one prompt") == 1
    for several in (["Once upon", "It"], ["one", "two words"]):
        assert len(run_main("text", *several, *GREEDY, "--json").lines) == 2
    assert len(run_main("classify", "good", "bad", "-m", "tiny").lines) == 2
    Path("prompts.txt").write_text("one\ntwo\n")
    listed = run_main("text", "--prompts", "prompts.txt", *GREEDY, "--json")
    assert (len(listed.lines), listed.stderr) == (2, "")
    assert run_main("text", "", "a", *GREEDY).code == 2
