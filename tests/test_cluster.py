"""--engine ray: what the local engine gives, and nothing lost when a worker dies."""

import contextlib
import json
import os
import re
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import Genai, RunMain, write_rows
from readers import read_lines

from genai_cli.modality.classify import ClassifyRequest
from genai_cli.work.engines.ray_cluster import MOST_DEATHS_OF_A_JOB, Chunk, ChunkQueue
from genai_cli.work.job import Job

TWO_WORKERS = ("--engine", "ray", "--workers", "2")
BUSY_WORKER = "ray::Worker.produce"


@dataclass(frozen=True)
class RayCluster:
    """A cluster of this machine alone, the process that holds it, and what lets a client in."""

    process: subprocess.Popen[str]
    address: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A running cluster, as `ray start --head` gives it; its folder is short, because of the sockets in it."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--port=0", "--num-cpus=2"]
    process = subprocess.Popen(
        [*ray, "--include-dashboard=false", f"--temp-dir={folder}", "--disable-usage-stats"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    shown = ""
    while not (address := re.search(r"--address='([\d.]+:\d+)'", shown)):
        line = process.stdout.readline()
        assert line, shown
        shown += line
    yield RayCluster(process, address[1], environment)
    members = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.communicate(timeout=60)
    for member in psutil.wait_procs(members, timeout=30)[1]:
        member.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ray_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a Ray of genai's own keeps its sockets and logs while it runs."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Thirty jobs of two kinds, the texts sampled, and one that fails."""
    prompts = [*(f"Chapter {n}" for n in range(14)), "word " * 400]
    rows: list[dict[str, Any]] = [{"task": "text", "prompt": prompt, "max_new_tokens": 40} for prompt in prompts]
    rows += [{"task": "classify", "prompt": f"film {n}"} for n in range(15)]
    return write_rows(tmp_path / "jobs.jsonl", [{**row, "model": "tiny"} for row in rows])


def begin(folder: Path) -> Path:
    """A folder whose base seed is known."""
    folder.mkdir()
    (folder / "manifest.jsonl").write_text('{"genai": "0.1.0", "base_seed": 1}\n')
    return folder


def results(folder: Path) -> dict[str, tuple[str, str]]:
    """By key, how each item ended and the hash of its content or its error; every item stands there once."""
    lines = read_lines(folder / "manifest.jsonl")[1:]
    found = {line["key"]: (line["status"], line.get("content_sha256") or line["error"]) for line in lines}
    assert len(found) == len(lines)
    return found


def workers_below(ancestor: int) -> list[psutil.Process]:
    """The processes of genai's workers among the descendants of a process."""
    found = []
    for process in psutil.Process(ancestor).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            if " ".join(process.cmdline()).startswith("ray::Worker"):
                found.append(process)
    return found


def kill_busy_worker(ancestor: int) -> None:
    """SIGKILL one of the workers below a process as soon as one has work."""
    for _ in range(1200):
        for process in workers_below(ancestor):
            with contextlib.suppress(psutil.Error):
                if process.cmdline()[:1] == [BUSY_WORKER]:
                    process.kill()
                    process.wait(30)
                    return
        select.select([], [], [], 0.05)
    raise AssertionError("no worker had work")


def test_a_killed_worker_loses_nothing_and_results_are_the_local_engine_s(
    genai: Genai, run_main: RunMain, mixed: Path, ray_folder: Path
) -> None:
    begin(genai.cwd / "out")
    process = genai.start("batch", mixed, "-o", "out/", "--json", *TWO_WORKERS)
    assert process.stdout is not None
    assert process.stderr is not None
    lines = [process.stdout.readline()]
    kill_busy_worker(process.pid)
    lines += process.stdout.readlines()  # not communicate, which passes over what readline has read ahead
    stderr = process.stderr.read()
    assert process.wait(timeout=240) == 3, stderr
    told = [line for line in stderr.decode().splitlines() if " a minute, " not in line]  # a count, on a slow machine
    assert told.pop() == "genai: 29 done, 1 failed"
    told.remove("genai: a worker died and is replaced; what it was making is made again")
    assert len(told) == 2
    assert "context is 256" in told[0]
    assert told[1].startswith("hint: ")
    records = [json.loads(line) for line in lines]
    assert len({record["key"] for record in records}) == len(records) == 30
    begin(Path("whole"))
    assert run_main("batch", mixed, "-o", "whole/").code == 3
    assert results(genai.cwd / "out") == results(Path("whole"))
    assert list(ray_folder.glob("*ray*")) == []
    again = run_main("batch", mixed, "-o", genai.cwd / "out", *TWO_WORKERS)
    assert again.stderr == "genai: 0 done, 29 done earlier, 1 failed earlier\n"
    assert "ray" not in sys.modules


def test_an_interrupt_says_how_far_it_came_and_leaves_nothing_behind(
    genai: Genai, run_main: RunMain, mixed: Path, ray_folder: Path
) -> None:
    """As from a terminal: every process of the group gets the signal."""
    process = genai.start("batch", mixed, "-o", "out/", "--json", *TWO_WORKERS, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    below = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 130, stderr
    assert re.fullmatch(r"genai: \d+/30 done; run the same command to resume", stderr.decode().splitlines()[-1])
    assert "Traceback" not in stderr.decode()
    assert psutil.wait_procs(below, timeout=60)[1] == []
    assert list(ray_folder.glob("*ray*")) == []
    assert run_main("batch", mixed, "-o", genai.cwd / "out", "--retry-failed").code == 3
    assert len({key for key, (status, _) in results_of_any(genai.cwd / "out") if status == "done"}) == 29


def results_of_any(folder: Path) -> list[tuple[str, tuple[str, str]]]:
    """Like `results`, where an item that failed may stand there again."""
    lines = read_lines(folder / "manifest.jsonl")[1:]
    return [(line["key"], (line["status"], str(line["file"]))) for line in lines]


def test_an_item_that_kills_its_workers_is_given_up(genai: Genai, cluster: RayCluster, gpt2: Path) -> None:
    options = ("-m", gpt2, "--engine", "ray", "--workers", "1", "--ray-address", cluster.address)
    process = genai.start("text", "It was", *options, env=os.environ | cluster.environment)
    for _ in range(MOST_DEATHS_OF_A_JOB):
        kill_busy_worker(cluster.process.pid)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 7
    assert "genai: error: the worker died 3 times over this item" in stderr.decode().splitlines()


def test_a_cluster_is_left_as_it_was(genai: Genai, run_main: RunMain, cluster: RayCluster, distilbert: Path) -> None:
    options = ("-m", distilbert, "--engine", "ray", "--workers", "1", "--ray-address", cluster.address)
    here = run_main("classify", "a film", "a book", "-m", distilbert, "--seed", "1", "--json")
    there = genai("classify", "a film", "a book", *options, "--seed", "1", "--json", env=cluster.environment)
    assert (there.code, there.stderr) == (0, "")
    labels = [{record["prompt"]: record["labels"] for record in map(json.loads, done.lines)} for done in (here, there)]
    assert labels[0] == labels[1]
    assert cluster.process.poll() is None
    left = psutil.wait_procs(workers_below(cluster.process.pid), timeout=30)[1]
    assert left == []


def test_every_task_gives_what_the_local_engine_gives(genai: Genai, run_main: RunMain, cluster: RayCluster) -> None:
    folder = begin(genai.cwd / "first")
    begins = {"image": "a red circle", "text": "It was", "classify": "a film", "embed": "a dog", "speak": "red light"}
    write_rows(folder / "a.jsonl", [{"task": task, "prompt": prompt} for task, prompt in begins.items()])
    assert run_main("batch", folder / "a.jsonl", "-m", "tiny", "-o", folder).code == 0
    (picture,), (sound,) = folder.glob("*.png"), folder.glob("*.wav")
    rows = [{"task": task, "picture": str(picture)} for task in ("describe", "detect")]
    rows += [{"task": "edit", "picture": str(picture), "prompt": "a blue star"}]
    rows += [{"task": "transcribe", "sound": str(sound)}]
    write_rows(folder / "b.jsonl", [*({"task": task, "prompt": prompt} for task, prompt in begins.items()), *rows])
    for out in ("here", "there"):
        begin(genai.cwd / out)
    assert run_main("batch", folder / "b.jsonl", "-m", "tiny", "-o", genai.cwd / "here").code == 0
    options = ("-m", "tiny", "--engine", "ray", "--workers", "1", "--ray-address", cluster.address)
    there = genai("batch", folder / "b.jsonl", "-o", "there", *options, env=cluster.environment)
    assert there.code == 0, there.stderr
    assert len(results(genai.cwd / "there")) == 9
    assert results(genai.cwd / "there") == results(genai.cwd / "here")


def test_a_model_that_is_not_to_be_had_is_the_same_error(genai: Genai, cluster: RayCluster, masked_lm: Path) -> None:
    here = genai("text", "It was", "-m", masked_lm)
    options = ("--engine", "ray", "--workers", "1", "--ray-address", cluster.address)
    there = genai("text", "It was", "-m", masked_lm, *options, env=cluster.environment)
    assert here.code != 0
    assert (there.code, there.stderr) == (here.code, here.stderr)


def test_a_worker_of_another_version_is_refused(cluster: RayCluster, tmp_path: Path) -> None:
    program = (
        "import sys, genai_cli; genai_cli.__version__ = '9.9'; from genai_cli.cli.main import main; sys.exit(main())"
    )
    options = ["--engine", "ray", "--workers", "1", "--ray-address", cluster.address]
    done = subprocess.run(
        [sys.executable, "-c", program, "classify", "a film", "-m", "tiny", *options],
        cwd=tmp_path,
        env=os.environ | cluster.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 7
    assert re.match(r"genai: error: \S+ runs genai \S+ and this is 9\.9\nhint: install the same ", done.stderr)


def test_past_the_limit_nothing_is_made(run_main: RunMain, mixed: Path) -> None:
    begin(Path("out"))
    first = run_main("batch", mixed, "-o", "out/", "--limit", "17", "-v")
    assert first.stderr.endswith("16 done, 1 failed, 13 left\n")
    assert first.stderr.count("generated in") == 2  # a group of texts, and one of two labels
    rest = run_main("batch", mixed, "-o", "out/", "--limit", "5")
    assert rest.stderr == "genai: 5 done, 16 done earlier, 1 failed earlier, 8 left\n"


def test_without_the_extra(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = run_main("classify", "a film", "-m", "tiny", "--engine", "ray")
    assert done.code == 2
    assert done.stderr == (
        "genai: error: --engine ray needs Ray, which is not installed\nhint: pip install 'genai-cli[ray]'\n"
    )


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--workers", "2"], 2, "--workers needs --engine ray"),
        (["--ray-address", "auto"], 2, "--ray-address needs --engine ray"),
        (["--engine", "rai"], 2, "unknown engine 'rai'"),
        (["--engine", "ray", "--device", "cuda:1"], 2, "--device cuda:1 is for the local engine"),
        (["--engine", "ray", "--ray-address", "ray://head:10001"], 2, "--ray-address must be HOST:PORT or auto"),
        (["--engine", "ray", "--ray-address", "127.0.0.1:9"], 7, "no Ray cluster answers at 127.0.0.1:9"),
        (["--engine", "ray", "--ray-address", "127.0.0.1:99999"], 7, "no Ray cluster answers at 127.0.0.1:99999"),
    ],
)
def test_what_cannot_work_is_said(genai: Genai, options: list[str], code: int, words: str) -> None:
    done = genai("classify", "a film", "-m", "tiny", *options)
    assert done.code == code
    assert words in done.stderr.splitlines()[0]
    assert len(done.stderr.splitlines()) == 2


def jobs(count: int) -> Iterator[Job]:
    return (Job(n, f"{n:016x}", str(n), ClassifyRequest(prompt=f"film {n}", model="tiny")) for n in range(count))


def test_chunks_shrink_towards_the_end_and_hold_every_job_once() -> None:
    queue = ChunkQueue(jobs(1000), size=16, workers=2)
    chunks = []
    while chunk := queue.take():
        chunks.append(chunk.jobs)
    assert [job.index for chunk in chunks for job in chunk] == list(range(1000))
    sizes = [len(chunk) for chunk in chunks]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (16, 1)


def test_few_jobs_are_shared_among_the_workers() -> None:
    chunk = ChunkQueue(jobs(20), size=64, workers=2).take()
    assert chunk is not None
    assert len(chunk.jobs) == 5


def test_no_more_is_read_ahead_than_the_workers_need() -> None:
    stream = jobs(1000)
    ChunkQueue(stream, size=4, workers=2).take()
    assert next(stream).index == 16


def test_the_job_that_kills_is_found_among_the_others() -> None:
    """Whoever takes job 5 dies: it alone is given up, and all others are done once."""
    queue = ChunkQueue(jobs(8), size=8, workers=1)
    done, given_up, pending = [], [], [Chunk(tuple(queue.stream))]
    queue.returned = pending
    while chunk := queue.take():
        if any(job.index == 5 for job in chunk.jobs):
            given_up += queue.give_back(chunk)
        else:
            done += [job.index for job in chunk.jobs]
    assert sorted(done) == [0, 1, 2, 3, 4, 6, 7]
    assert [failure.job.index for failure in given_up] == [5]
    assert given_up[0].error.exit_code == 7
