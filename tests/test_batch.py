"""Batches: every item once, whatever kills the run; what is finished is not made again; one failure stops nothing."""

import json
import os
import random
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Genai, RunMain, write_rows
from readers import manifest, read_lines

from genai_cli.content.reading import read_provenance
from genai_cli.request.rows import BadRow, FileRows, Row

# Sampled from random weights, a text may end at once for one seed in hundreds; the likeliest tokens never do.
GREEDY = {"max_new_tokens": 12, "temperature": 0}


def contents(folder: Path) -> dict[str, str]:
    """Each item's file with the hash of its content: what a run must give however often it was killed."""
    return {line["file"]: line["content_sha256"] for line in manifest(folder)}


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def mixed(tmp_path: Path, gpt2: Path, distilbert: Path) -> Path:
    """Thirty jobs of two kinds and two models."""
    return write_rows(tmp_path / "jobs.jsonl", mixed_rows(15, gpt2, distilbert))


def mixed_rows(pairs: int, gpt2: Path, distilbert: Path) -> list[dict[str, Any]]:
    """So many texts and labels, in turn."""
    texts = [{"task": "text", "prompt": f"Chapter {n}", "model": str(gpt2), **GREEDY} for n in range(pairs)]
    labels = [{"task": "classify", "prompt": f"film {n}", "model": str(distilbert)} for n in range(pairs)]
    return [row for pair in zip(texts, labels, strict=True) for row in pair]


def test_a_batch_of_mixed_kinds(run_main: RunMain, mixed: Path) -> None:
    done = run_main("batch", mixed, "-o", "out/")
    assert done.code == 0, done.stderr
    assert done.stderr.endswith("genai: 30 done\n")
    lines = manifest(Path("out"))
    assert len(lines) == len({line["key"] for line in lines}) == 30
    assert all((Path("out") / line["file"]).is_file() for line in lines)
    assert {line["task"] for line in lines} == {"text", "classify"}
    assert all(line["status"] == "done" for line in lines)


def test_a_second_run_makes_nothing_and_a_changed_row_only_itself(run_main: RunMain, mixed: Path) -> None:
    run_main("batch", mixed, "-o", "out/")
    before = contents(Path("out"))
    again = run_main("batch", mixed, "-o", "out/")
    assert (again.code, again.stdout) == (0, "")
    assert again.stderr == "genai: 0 done, 30 done earlier\n"
    rows = read_lines(mixed)
    rows.insert(3, {**rows[0], "prompt": "A new chapter"})
    changed = next(row for row in rows if row["task"] == "classify")
    changed["top"] = 2
    rows.reverse()
    write_rows(mixed, rows)
    third = run_main("batch", mixed, "-o", "out/")
    assert third.stderr == "genai: 2 done, 29 done earlier\n"
    assert before.items() <= contents(Path("out")).items()
    assert len(contents(Path("out"))) == 32


def test_a_file_that_is_gone_is_made_again(run_main: RunMain, mixed: Path) -> None:
    run_main("batch", mixed, "-o", "out/")
    before = contents(Path("out"))
    victim = next(name for name in before if name.startswith("chapter"))
    (Path("out") / victim).unlink()
    assert run_main("batch", mixed, "-o", "out/").stderr == "genai: 1 done, 29 done earlier\n"
    assert contents(Path("out")) == before


def test_a_torn_last_line_costs_that_item_only(run_main: RunMain, mixed: Path) -> None:
    run_main("batch", mixed, "-o", "out/")
    before = contents(Path("out"))
    path = Path("out/manifest.jsonl")
    path.write_bytes(path.read_bytes()[:-40])
    again = run_main("batch", mixed, "-o", "out/")
    assert again.stderr == "genai: 1 done, 29 done earlier\n"
    torn = [line for line in path.read_text().splitlines() if not line.endswith("}")]
    assert len(torn) == 1
    whole = [json.loads(line) for line in path.read_text().splitlines() if line not in torn]
    assert {line["content_sha256"] for line in whole if "key" in line} == set(before.values())


KILLS = int(os.environ.get("LONG_KILLS", "4"))


@pytest.fixture
def to_be_killed(tmp_path: Path, gpt2: Path, distilbert: Path) -> Path:
    """A hundred jobs of two kinds; in the long form eight for each kill, of all kinds, with the built-in models."""
    if KILLS < 50:
        return write_rows(tmp_path / "many.jsonl", mixed_rows(50, gpt2, distilbert))
    short = {"image": {"steps": 4}, "text": {"max_new_tokens": 24}, "classify": {}, "audio": {"duration": 0.5}}
    rows = [
        {"task": task, "prompt": f"a red circle, number {n}", "model": "tiny", **options}
        for n in range(2 * KILLS)
        for task, options in short.items()
    ]
    return write_rows(tmp_path / "many.jsonl", rows)


@pytest.mark.timeout(300 + 60 * KILLS)
def test_killed_at_random_moments_and_resumed(genai: Genai, run_main: RunMain, to_be_killed: Path) -> None:
    """Set LONG_KILLS to 50 or more for the long form; each kill comes after a random number of items."""
    chance = random.Random(7)
    for folder in (genai.cwd / "out", Path("whole")):
        folder.mkdir()
        (folder / "manifest.jsonl").write_text('{"genai": "0.1.0", "base_seed": 1}\n')
    killed_at_work = 0
    for _ in range(KILLS):
        process = genai.start("batch", to_be_killed, "-o", "out/", "--json", "--batch-size", "4")
        assert process.stdout is not None
        for _ in range(chance.randint(0, 5)):
            process.stdout.readline()
        select.select([], [], [], chance.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        killed_at_work += process.wait() == -signal.SIGKILL
    assert killed_at_work == KILLS
    last = genai("batch", to_be_killed, "-o", "out/", timeout=1200)
    assert last.code == 0, last.stderr
    killed = genai.cwd / "out"
    run_main("batch", to_be_killed, "-o", "whole/")
    assert contents(killed) == contents(Path("whole"))
    assert visible(killed) == visible(Path("whole"))
    for name in contents(killed):
        assert timeless(killed / name) == timeless(Path("whole") / name)


def timeless(file: Path) -> dict[str, Any] | bytes:
    """What a file holds but the time of its making: the bytes of a text, the record of all else."""
    if file.suffix == ".txt":
        return file.read_bytes()
    record = read_provenance(file).record
    assert record is not None
    return {name: value for name, value in record.items() if name not in ("created", "seconds")}


def test_an_item_alone_is_the_item_in_the_batch(run_main: RunMain, tmp_path: Path, stable_diffusion: Path) -> None:
    row = {"task": "image", "model": str(stable_diffusion), "steps": 2}
    jobs = write_rows(tmp_path / "jobs.jsonl", [{**row, "prompt": f"cat {n}"} for n in range(4)])
    run_main("batch", jobs, "-o", "out/")
    line = manifest(Path("out"))[2]
    seed = str(line["parameters"]["seed"])
    alone = run_main("image", line["prompt"], "-m", stable_diffusion, "--steps", "2", "--seed", seed, "--json")
    assert json.loads(alone.stdout)["content_sha256"] == line["content_sha256"]
    write_rows(jobs, [{**row, "prompt": "cat 2"}])
    (Path("out") / line["file"]).unlink()
    run_main("batch", jobs, "-o", "out/")
    assert manifest(Path("out"))[-1]["content_sha256"] == line["content_sha256"]


def test_interrupted_it_says_how_to_go_on(genai: Genai, tmp_path: Path, llama_chat: Path) -> None:
    row = {"task": "text", "model": str(llama_chat), "max_new_tokens": 60, "chat": False}
    jobs = write_rows(tmp_path / "jobs.jsonl", [{**row, "prompt": f"Chapter {n}"} for n in range(200)])
    process = genai.start("batch", jobs, "-o", "out/", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=240)[1].decode()
    assert process.returncode == 130, stderr
    assert "/200 done; run the same command to resume" in stderr
    lines = manifest(genai.cwd / "out")
    assert f"genai: {len(lines)}/200 done" in stderr
    assert {line["file"] for line in lines} | {f"{line['file']}.json" for line in lines} == visible(
        genai.cwd / "out"
    ) - {"manifest.jsonl"}


def test_one_failure_stops_nothing_and_can_be_tried_again(run_main: RunMain, tmp_path: Path, gpt2: Path) -> None:
    row = {"task": "text", "model": str(gpt2), **GREEDY}
    jobs = write_rows(tmp_path / "j.jsonl", [{**row, "prompt": prompt} for prompt in ("One", "word " * 200, "Three")])
    done = run_main("batch", jobs, "-o", "out/")
    assert done.code == 3
    assert "context is 64" in done.stderr
    assert done.stderr.endswith("genai: 2 done, 1 failed\n")
    ends = {line["prompt"][:5]: line["status"] for line in manifest(Path("out"))}
    assert ends == {"One": "done", "word ": "failed", "Three": "done"}
    again = run_main("batch", jobs, "-o", "out/")
    assert (again.code, again.stderr) == (3, "genai: 0 done, 2 done earlier, 1 failed earlier\n")
    retried = run_main("batch", jobs, "-o", "out/", "--retry-failed")
    assert retried.stderr.endswith("genai: 0 done, 1 failed, 2 done earlier\n")


def test_bad_rows_are_all_found_before_a_model_loads(run_main: RunMain, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.jsonl"
    good = json.dumps({"task": "text", "prompt": "x", "id": "a", "model": "owner/never-asked-for"})
    bad = [
        "{",
        '{"task": "text", "prompt": "x", "stepz": 3}',
        '{"task": "song", "prompt": "x"}',
        '{"prompt": "x"}',
        '{"task": "text", "prompt": "x", "id": "a"}',
        '{"task": "text", "prompt": "nul \\u0000"}',
        '{"task": "text", "prompt": "x", "output": "/etc/passwd"}',
        '{"task": "text", "prompt": "x", "token": "secret"}',
    ]
    jobs.write_bytes("\n".join([good, *bad]).encode() + b"\n\xff\xfe\n" + b"x" * 1_100_000 + b"\n")
    done = run_main("batch", jobs, "-o", "out/")
    assert done.code == 2
    lines = done.stderr.splitlines()
    for number in range(2, 12):
        assert any(line.startswith(f"genai: error: {jobs}:{number}: ") for line in lines), number
    assert "genai: error: 10 of 11 rows are bad; nothing was made" in lines
    assert not Path("out").exists()


@pytest.mark.parametrize("id", ["half \ud800", "nul \0"])
def test_an_id_that_no_file_can_hold_is_a_bad_row(run_main: RunMain, id: str) -> None:
    jobs = write_rows(Path("jobs.jsonl"), [{"task": "classify", "prompt": "x", "model": "tiny", "id": id}])
    done = run_main("batch", jobs, "-o", "out/")
    assert (done.code, done.stderr.startswith("genai: error: jobs.jsonl:1: the field 'id' ")) == (2, True)


def test_bad_rows_can_be_passed_over(run_main: RunMain, tmp_path: Path, gpt2: Path) -> None:
    good = {"task": "text", "prompt": "x", "model": str(gpt2), **GREEDY}
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text(f"{json.dumps(good)}\n{{\n")
    done = run_main("batch", jobs, "-o", "out/", "--skip-bad")
    assert done.code == 0, done.stderr
    assert "1 bad row skipped" in done.stderr
    assert len(manifest(Path("out"))) == 1
    noted = [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines() if '"bad"' in line]
    assert [(line["status"], line["error"].startswith(f"{jobs}:2: not JSON")) for line in noted] == [("bad", True)]
    before = Path("out/manifest.jsonl").read_bytes()
    again = run_main("batch", jobs, "-o", "out/", "--skip-bad", "-q")
    assert (again.code, again.stderr.count("skipped")) == (0, 0)
    assert Path("out/manifest.jsonl").read_bytes() == before


def test_a_bad_row_of_a_file_whose_name_is_no_text_is_noted_once(genai: Genai) -> None:
    jobs = os.fsdecode(b"jobs-\xff.jsonl")
    (genai.cwd / jobs).write_text('{"task": "classify", "prompt": "x", "model": "tiny"}\n{\n')
    for _ in range(2):
        done = genai("batch", jobs, "-o", "out/", "--skip-bad")
        assert done.code == 0, done.stderr
    assert [line["status"] for line in read_lines(genai.cwd / "out/manifest.jsonl")[1:]] == ["bad", "done"]


def test_a_model_that_is_not_to_be_had_costs_its_own_items(run_main: RunMain, tmp_path: Path, gpt2: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"architectures": ["GPT2LMHeadModel"]}')
    models = [str(broken), str(gpt2), "gtp2", str(broken)]
    rows = [{"task": "text", "prompt": f"Chapter {n}", "model": model, **GREEDY} for n, model in enumerate(models)]
    jobs = write_rows(tmp_path / "jobs.jsonl", rows)
    done = run_main("batch", jobs, "-o", "out/")
    assert done.code == 3
    assert done.stderr.count("its weights are not complete") == 1
    assert "unknown model 'gtp2'" in done.stderr
    assert done.stderr.endswith("genai: 1 done, 3 failed\n")
    statuses = {line["prompt"][-1]: line["status"] for line in manifest(Path("out"))}
    assert statuses == {"0": "failed", "1": "done", "2": "failed", "3": "failed"}
    again = run_main("batch", jobs, "-o", "out/")
    assert (again.code, again.stderr) == (3, "genai: 0 done, 1 done earlier, 3 failed earlier\n")
    write_rows(jobs, rows[:1])
    assert run_main("batch", jobs, "-o", "alone/").code == 4


def test_shards_share_the_work_and_the_seeds(run_main: RunMain, mixed: Path) -> None:
    for shard in ("1/3", "2/3", "3/3"):
        assert run_main("batch", mixed, "-o", "out/", "--shard", shard).code == 0
    parts = [path.read_text().splitlines() for path in Path("out").glob("manifest-*-of-3.jsonl")]
    assert sum(map(len, parts)) == 30
    assert len(parts) == 3
    whole = run_main("batch", mixed, "-o", "out/")
    assert whole.stderr == "genai: 0 done, 30 done earlier\n"
    assert run_main("batch", mixed, "-o", "out/", "--shard", "4/3").code == 2


def test_a_second_run_in_the_same_folder_stops(genai: Genai, run_main: RunMain, mixed: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".all.genai-lock"):
        done = genai("batch", mixed, "-o", f"{out}/")
        assert done.code == 6
        assert "another run is filling" in done.stderr
        assert run_main("batch", mixed, "-o", f"{out}/", "--shard", "1/2", "--limit", "1").code == 0


def test_prompts_into_a_folder_are_a_batch_too(run_main: RunMain, stable_diffusion: Path, tmp_path: Path) -> None:
    rows = [{"prompt": "a cat", "id": "cat"}, {"prompt": "a dog"}, {"prompt": "a dog"}]
    jobs = write_rows(tmp_path / "prompts.jsonl", rows)
    options = ["image", "--prompts", str(jobs), "-m", str(stable_diffusion), "--steps", "2", "-o", "out/"]
    first = run_main(*options, "--limit", "2")
    assert first.stderr.endswith("genai: 2 done, 1 left\n")
    assert run_main(*options).stderr == "genai: 1 done, 2 done earlier\n"
    names = visible(Path("out"))
    assert "cat.png" in names
    assert len([name for name in names if name.startswith("a-dog-")]) == 2


def test_a_finished_batch_loads_nothing(run_main: RunMain, mixed: Path) -> None:
    import subprocess
    import sys

    run_main("batch", mixed, "-o", "out/")
    heavy = "{'torch', 'huggingface_hub'} & set(sys.modules)"
    program = f"import sys; from genai_cli.cli.main import main; main(sys.argv[1:]); print({heavy})"
    done = subprocess.run(
        [sys.executable, "-c", program, "batch", mixed, "-o", "out/"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("accelerators", [("cuda",), ("cpu",)])
def test_a_library_s_failure_costs_one_item(
    run_main: RunMain, tmp_path: Path, gpt2: Path, monkeypatch: pytest.MonkeyPatch, accelerators: tuple[str, ...]
) -> None:
    """A token past the embeddings' end: the library raises IndexError for the one prompt that holds it.

    On an accelerator the model runs in a thread of its own.
    """
    import shutil

    monkeypatch.setattr("genai_cli.work.producer.ACCELERATORS", accelerators)

    broken = tmp_path / "broken"
    shutil.copytree(gpt2, broken)
    tokenizer = json.loads((broken / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append(
        {"id": 9999, "content": "<boom>", "single_word": False, "lstrip": False, "rstrip": False}
        | {"normalized": False, "special": False}
    )
    (broken / "tokenizer.json").write_text(json.dumps(tokenizer))
    row = {"task": "text", "model": str(broken), **GREEDY}
    jobs = write_rows(tmp_path / "jobs.jsonl", [{**row, "prompt": prompt} for prompt in ("One", "<boom>", "Three")])
    done = run_main("batch", jobs, "-o", "out/")
    assert done.code == 3, done.stderr
    ends = {line["prompt"][:5]: line["status"] for line in manifest(Path("out"))}
    assert ends == {"One": "done", "<boom": "failed", "Three": "done"}
    assert "the model failed: IndexError" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in run_main("batch", jobs, "-o", "out/", "--retry-failed", "--debug").stderr


def test_rows_are_read_once_for_all_models(run_main: RunMain, monkeypatch: pytest.MonkeyPatch, gpt2: Path) -> None:
    """Also where some are bad, are noted, and stand in a table in the end."""
    read: list[str] = []
    iterate = FileRows.__iter__

    def counted(rows: FileRows) -> Iterator[Row | BadRow]:
        read.append(rows.name)
        return iterate(rows)

    monkeypatch.setattr(FileRows, "__iter__", counted)
    models = ["tiny", str(gpt2)]
    rows = [
        {"task": "text", "prompt": f"film {n}", "model": models[n % 2], "max_new_tokens": 8, "seed": n}
        for n in range(6)
    ]
    rows += [{"task": "classify", "prompt": "good", "model": "tiny"}, {"task": "classify"}]
    write_rows(Path("jobs.jsonl"), rows)
    for output in ("out/", "out.jsonl"):
        done = run_main("batch", "jobs.jsonl", "-o", output, "--skip-bad")
        assert done.code == 0, done.stderr
        assert read == ["jobs.jsonl"]
        read.clear()
    assert len(Path("out.jsonl").read_text().splitlines()) == 8
    Path("table.csv").write_text("".join(["prompt,stars\n", *(f"film {n},{n}\n" for n in range(5))]))
    assert run_main("classify", "--prompts", "table.csv", "--column", "prompt", "-m", "tiny", "-o", "l.csv").code == 0
    assert read == ["table.csv"]


# Texts and labels kept together


def test_packed_labels_stand_in_the_manifest(run_main: RunMain, gpt2: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"task": "classify", "prompt": f"film {n}", "model": "tiny", "seed": 1} for n in range(4)
    ]
    rows += [{"task": "image", "prompt": "a red circle", "model": "tiny", "steps": 2, "seed": 1}]
    rows += [{"task": "text", "prompt": "x", "model": str(gpt2), "seed": 1, **GREEDY}]
    jobs = write_rows(Path("jobs.jsonl"), rows)
    run_main("batch", jobs, "-o", "files/")
    first = run_main("batch", jobs, "-o", "packed/", "--pack", "--limit", "2")
    assert first.stdout == ""
    done = run_main("batch", jobs, "-o", "packed/", "--pack")
    assert done.lines == ["packed/a-red-circle-1.png"]
    assert done.stderr == "genai: 4 done, 2 done earlier\n"
    assert visible(Path("packed")) == {"manifest.jsonl", "a-red-circle-1.png"}
    same = ("key", "label", "labels", "text", "parameters", "content_sha256")
    kept, usual = (
        {line["key"]: {name: line.get(name) for name in same} for line in manifest(Path(folder))}
        for folder in ("packed", "files")
    )
    assert kept == usual
    assert [line["file"] for line in manifest(Path("packed")) if line["task"] != "image"] == [None] * 5
    again = run_main("batch", jobs, "-o", "packed/")
    assert again.stderr == "genai: 0 done, 6 done earlier\n"


@pytest.mark.parametrize("output", ["out.csv", "-", None])
def test_packing_needs_a_folder(run_main: RunMain, output: str | None) -> None:
    Path("in.txt").write_text("one\n")
    where = [] if output is None else ["-o", output]
    done = run_main("classify", "--prompts", "in.txt", "-m", "tiny", "--pack", *where)
    assert (done.code, "-o out/" in done.stderr) == (2, True)
    assert run_main("image", "a cat", "--pack").code == 2


def test_thousands_of_labels_in_a_folder_are_advised_against(run_main: RunMain) -> None:
    Path("in.txt").write_text("".join(f"film {n}\n" for n in range(1000)))
    command = ("classify", "--prompts", "in.txt", "-m", "tiny", "--limit", "1")
    done = run_main(*command, "-o", "out/")
    assert done.stderr.startswith(
        "genai: 1000 results with their records are 2000 files; "
        "-o NAME.csv writes one, --pack keeps them in the folder's manifest\n"
    )
    for quiet in (["-o", "packed/", "--pack"], ["-o", "out.csv"], ["-o", "q/", "-q"]):
        assert "files" not in run_main(*command, *quiet).stderr
