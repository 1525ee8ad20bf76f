"""The worker: the same results in less time, and nothing lost whatever happens to it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest
from checkpoint_parts import changed_weights
from conftest import TIMEOUT, Genai, RunMain, copy_of, in_terminal, write_rows
from loopback_hub import LoopbackHub
from readers import manifest, pixels, record_of, wave_samples

from genai_cli.device.spec import ModelSpec, Placing
from genai_cli.device.threads import Turns
from genai_cli.errors import InputError
from genai_cli.events import Detail, Event, ignore
from genai_cli.hub.reference import ModelReference
from genai_cli.modality.classify import ClassifyRequest
from genai_cli.modality.registry import load_catalog
from genai_cli.work import shelf as shelf_module
from genai_cli.work.assignment import Assignment
from genai_cli.work.engines import link as links
from genai_cli.work.engines.keeping import Keeping, parse_keep
from genai_cli.work.engines.link import AskStatus, Hello, LinkError, Status, Welcome, connect, find_address, find_folder
from genai_cli.work.engines.worker import WorkerEngine
from genai_cli.work.engines.worker_process import Worker
from genai_cli.work.job import Order, expand
from genai_cli.work.outcome import Artifact
from genai_cli.work.shelf import Place, Shelf

KEEP = ("--keep", "2m")
MUCH = ["--max-new-tokens", "200", "--temperature", "1", "--seed", "3"]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder of this test's own, short enough for a socket; its workers are ended."""
    folder = Path(tempfile.mkdtemp(prefix="g"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder / "genai"
    for address in (folder / "genai").glob("*.sock"):
        for status in ask(address):
            os.kill(status.process, signal.SIGKILL)
    shutil.rmtree(folder)


def ask(address: Path) -> list[Status]:
    """What the worker at an address holds; nothing where there is none."""
    try:
        with connect(address, seconds=TIMEOUT) as link:
            link.send(Hello(""))
            link.receive()
            link.send(AskStatus())
            status = link.receive()
    except LinkError:
        return []
    assert isinstance(status, Status)
    return [status]


def find_status(place: Path) -> Status:
    """What the only worker holds."""
    (status,) = (status for address in place.glob("*.sock") for status in ask(address))
    return status


def wait_until(condition: Callable[[], bool]) -> None:
    """Look until something is so."""
    ends = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def is_running(process: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("created", "seconds", "file")}


# The same results


@pytest.mark.parametrize(
    ("task", "suffix", "options"),
    [
        ("image", ".png", ["--steps", "4"]),
        ("text", ".txt", ["--max-new-tokens", "12"]),
        ("text", ".txt", ["--max-new-tokens", "12", "--quantize", "int8"]),
        ("classify", ".txt", ["--top", "0"]),
        ("audio", ".wav", ["--duration", "0.5"]),
    ],
)
def test_results_are_the_same(genai: Genai, place: Path, task: str, suffix: str, options: list[str]) -> None:
    if "--quantize" in options:
        pytest.importorskip("torchao")
    seed = [] if task == "classify" else ["--seed", "5"]
    command = [task, "a red circle", "-m", "tiny", *seed, *options]
    for name, keep in {"without": [], "first": KEEP, "second": KEEP}.items():
        done = genai(*command, *keep, "-o", f"{name}{suffix}")
        assert done.code == 0, done.stderr
    files = [genai.cwd / f"{name}{suffix}" for name in ("without", "first", "second")]
    records = [record_of(file) for file in files]
    if task == "classify":  # it draws nothing, and takes no seed on the command line
        assert all(record["parameters"].pop("seed") for record in records)
    assert without_times(records[1]) == without_times(records[0]) == without_times(records[2])
    assert records[2]["seconds"]["load"] == 0
    if suffix == ".png":
        assert (pixels(files[0]) == pixels(files[1])).all()
        assert (pixels(files[0]) == pixels(files[2])).all()
    elif suffix == ".wav":
        assert wave_samples(files[0]) == wave_samples(files[1]) == wave_samples(files[2])
    else:
        assert files[0].read_bytes() == files[1].read_bytes() == files[2].read_bytes()
    status = find_status(place)
    assert [(model.task, model.model) for model in status.models] == [(task, "tiny")]
    assert status.commands == 2


def test_dtypes_and_models_are_kept_apart(genai: Genai, place: Path, gpt2: Path) -> None:
    command = ["text", "It was", "-m", gpt2, "--seed", "1", "--max-new-tokens", "8", "--json", "-o", "-"]
    for dtype in ("float32", "bfloat16", "float32"):
        records = [json.loads(genai(*command, "--dtype", dtype, *keep).stdout) for keep in ([], KEEP)]
        assert without_times(records[0]) == without_times(records[1])
    assert {model.dtype for model in find_status(place).models} == {"float32", "bfloat16"}


def test_a_batch_goes_through_it(genai: Genai, place: Path, gpt2: Path, distilbert: Path) -> None:
    greedy: dict[str, Any] = {"task": "text", "model": str(gpt2), "temperature": 0, "max_new_tokens": 6, "seed": 1}
    rows = [{**greedy, "prompt": f"Chapter {n}"} for n in range(30)]
    rows += [{"task": "classify", "prompt": f"film {n}", "model": str(distilbert), "seed": 1} for n in range(700)]
    rows += [{**greedy, "prompt": "word " * 200}]  # past the model's context
    jobs = write_rows(genai.cwd / "jobs.jsonl", rows)
    command = ["batch", jobs, "--pack", "-o"]
    assert genai("worker", "start", *KEEP).code == 0
    usual, kept = genai(*command, "a/"), genai(*command, "b/", *KEEP)
    assert (usual.code, usual.stderr) == (kept.code, kept.stderr)
    assert kept.code == 3
    results = [
        {line["key"]: without_times(line) for line in manifest(genai.cwd / folder) if line["status"] == "done"}
        for folder in ("a", "b")
    ]
    assert len(results[0]) == 730
    assert results[0] == results[1]


def test_errors_are_those_of_a_command_without_it(genai: Genai, place: Path, gpt2: Path, distilbert: Path) -> None:
    assert genai("worker", "start", *KEEP).code == 0
    for command in (
        ["text", "word " * 200, "-m", gpt2],
        ["text", "It was", "-m", distilbert],
        ["image", "a cat", "-m", "tiny", "--steps", "3", "--scheduler", "pndm", "--size", "7x7"],
    ):
        usual, kept = (genai(*command, *keep, "-o", "x/") for keep in ([], KEEP))
        assert usual.code != 0
        assert (usual.code, usual.stderr) == (kept.code, kept.stderr)


def test_text_streams_through_it(genai: Genai, place: Path, llama_chat: Path) -> None:
    options = ["text", "Hello there", "-m", llama_chat, "--no-chat", *MUCH, "-o", "-"]
    whole = genai(*options).stdout_bytes
    process = genai.start(*options, *KEEP)
    assert process.stdout is not None
    first = os.read(process.stdout.fileno(), 100)
    assert whole.startswith(first)
    assert len(first) < len(whole)
    assert first + process.stdout.read() == whole


def test_a_model_in_a_folder_that_changes_is_loaded_again(
    genai: Genai, place: Path, gpt2: Path, tmp_path: Path
) -> None:
    folder = copy_of(gpt2, tmp_path)
    command = ["text", "It was", "-m", folder, "--temperature", "0", "--max-new-tokens", "8", "-o", "-"]
    before = genai(*command, *KEEP).stdout
    with changed_weights(folder / "model.safetensors") as tensors:
        for tensor in tensors.values():
            tensor.neg_()
    usual = genai(*command).stdout
    assert before != usual
    assert genai(*command, *KEEP).stdout == usual


def test_a_model_of_the_hub_is_fetched_by_the_command(genai: Genai, hub: LoopbackHub, place: Path, gpt2: Path) -> None:
    hub.add("owner/name", gpt2)
    command = ["text", "It was", "-m", "owner/name", "--seed", "1", "--max-new-tokens", "8", "-o", "-"]
    done = genai(*command, *KEEP)
    assert done.code == 0, done.stderr
    assert [model.model for model in find_status(place).models] == ["owner/name"]
    assert genai(*command, *KEEP).stdout == done.stdout == genai(*command).stdout
    shutil.rmtree(Path(os.environ["HF_HOME"]))
    gone = genai("text", "It was", "-m", "owner/other", *KEEP)
    assert gone.code == 4


# Faults


@pytest.mark.parametrize("moment", ["starting", "loading", "working"])
def test_a_worker_that_is_killed_loses_nothing(genai: Genai, place: Path, gpt2: Path, moment: str) -> None:
    rows = [{"prompt": f"Chapter {n}", "seed": n, "temperature": 0, "max_new_tokens": 40} for n in range(24)]
    jobs = write_rows(genai.cwd / "jobs.jsonl", rows)
    command = ["text", "--prompts", jobs, "-m", gpt2, "--batch-size", "1", "--json", "-o"]
    process = genai.start(*command, "kept/", *KEEP, "-v")
    wait_until(lambda: any(ask(address) for address in place.glob("*.sock")))
    status = find_status(place)
    lines = []
    if moment == "loading":
        wait_until(lambda: "torch" in Path(f"/proc/{status.process}/maps").read_text())
    elif moment == "working":
        assert process.stdout is not None
        lines.append(process.stdout.readline())
    os.kill(status.process, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, stderr.decode()
    assert b"without a worker: " in stderr
    lines += stdout.splitlines(keepends=True)
    usual = genai(*command, "usual/")
    made = [[without_times(json.loads(line)) for line in run] for run in (lines, usual.lines)]
    assert sorted(made[0], key=lambda record: record["key"]) == sorted(made[1], key=lambda record: record["key"])


def test_a_text_that_was_shown_in_part_is_shown_once(genai: Genai, place: Path, llama_chat: Path) -> None:
    options = ["text", "Hello there", "-m", llama_chat, "--no-chat", *MUCH, "-o", "-"]
    whole = genai(*options).stdout_bytes
    process = genai.start(*options, *KEEP)
    assert process.stdout is not None
    first = os.read(process.stdout.fileno(), 30)
    os.kill(find_status(place).process, signal.SIGKILL)
    rest, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, stderr.decode()
    assert first + rest == whole


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_ends_stops_its_job_and_the_worker_lives(
    genai: Genai, place: Path, llama_chat: Path, sent: signal.Signals
) -> None:
    options = ["text", "Hello there", "-m", llama_chat, "--no-chat", "--temperature", "0", "-o", "-", *KEEP]
    process = genai.start(*options, "--max-new-tokens", "240")
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 1)
    worker = find_status(place).process
    process.send_signal(sent)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == (130 if sent == signal.SIGINT else -signal.SIGKILL)
    wait_until(lambda: not any(model.in_use for model in find_status(place).models))
    again = genai(*options, "--max-new-tokens", "3")
    assert (again.code, again.stderr) == (0, "")
    assert find_status(place).process == worker


@pytest.mark.parametrize("left", ["a file", "a socket"])
def test_what_an_ended_worker_left_is_no_obstacle(genai: Genai, place: Path, left: str) -> None:
    command = ["classify", "good", "-m", "tiny"]
    first = genai(*command, *KEEP)
    (address,) = place.glob("*.sock")
    killed = find_status(place).process
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not is_running(killed))
    address.unlink()
    if left == "a file":
        address.write_text("")
    else:
        with socket.socket(socket.AF_UNIX) as ended:
            ended.bind(str(address))
    assert genai(*command, *KEEP).stdout == first.stdout
    assert find_status(place).process != killed


def test_a_worker_that_cannot_start_is_not_waited_for(genai: Genai, place: Path) -> None:
    """As on a full disk: the worker cannot take its place. The command makes the result, and only -v tells."""
    command = ["classify", "good", "-m", "tiny", *KEEP]
    first = genai(*command)
    assert "a worker keeps models loaded for 2 minutes" in first.stderr
    assert genai("worker", "stop").code == 0
    (lock,) = place.glob("*.lock")
    lock.unlink()
    lock.mkdir()
    again = genai(*command, "-v")
    assert (again.code, again.stdout) == (0, first.stdout)
    assert "without a worker: it ended with 1 as it started" in again.stderr
    assert "keeps models loaded" not in again.stderr


@pytest.mark.parametrize("wrong", ["mode", "link", "file", "owner"])
def test_a_folder_that_is_not_this_user_s_alone_is_not_used(genai: Genai, place: Path, wrong: str) -> None:
    other = place.with_name("other")
    other.mkdir(mode=0o700)
    if wrong == "mode":
        place.mkdir()
        place.chmod(0o755)
    elif wrong == "link":
        place.symlink_to(other)
    elif wrong == "file":
        place.write_text("")
    else:
        if os.getuid() != 0:
            pytest.skip("only root gives a folder to another user")
        place.mkdir(mode=0o700)
        os.chown(place, 12345, 12345)
    done = genai("classify", "good", "-m", "tiny", *KEEP, "-v")
    assert (done.code, done.stdout.startswith("POSITIVE")) == (0, True)
    assert f"without a worker: {place}" in done.stderr
    assert list(other.iterdir()) == []
    assert genai("worker", "status").code == 7


@pytest.mark.parametrize("runtime", ["", "missing", "/missing"])
def test_without_a_runtime_folder_the_temporary_one_serves(
    genai: Genai, place: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    """As in a container."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setenv("TMPDIR", str(place.parent))
    monkeypatch.setattr(tempfile, "tempdir", None)
    folder = find_folder()
    assert folder == place.parent / f"genai-{os.getuid()}"
    assert S_IMODE(folder.stat().st_mode) == 0o700
    if runtime == "":
        assert genai("classify", "good", "-m", "tiny", *KEEP).code == 0
        assert len(list(folder.glob("*.sock"))) == 1
        assert list(genai.cwd.iterdir()) == []
        assert genai("worker", "stop").code == 0


def test_an_environment_has_a_worker_of_its_own_and_the_load_makes_none(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = links.find_address()
    for name, value in (
        ("OMP_WAIT_POLICY", "passive"),
        ("GOMP_SPINCOUNT", "4000"),
    ):  # as a command sets them by the load
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("EDITOR", "ed")
    assert links.find_address() == usual
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert links.find_address() != usual


def test_another_user_at_the_other_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    user = os.getuid()
    monkeypatch.setattr(links.os, "getuid", lambda: user + 1)
    with ours, theirs, pytest.raises(LinkError, match="another user"):
        links.Link(ours)


OTHER = """if True:
    import sys
    from genai_cli.work.engines import worker
    worker.take_fingerprint = lambda: "another genai"
    worker.STARTING = 3
    from genai_cli.cli.main import main
    sys.exit(main(sys.argv[1:]))
"""


def test_a_worker_of_another_genai_is_not_used_and_ends(genai: Genai, place: Path) -> None:
    command = ["classify", "good", "-m", "tiny", *KEEP]
    first = genai(*command)
    old = find_status(place).process
    other = subprocess.run([sys.executable, "-c", OTHER, *command, "-v"], cwd=genai.cwd, capture_output=True, text=True)
    assert (other.returncode, other.stdout) == (0, first.stdout)
    assert f"worker {old} " not in other.stderr
    wait_until(lambda: not is_running(old))
    assert genai(*command).stdout == first.stdout


def test_a_hundred_at_once(genai: Genai, place: Path) -> None:
    assert genai("classify", "good", "-m", "tiny", *KEEP).code == 0
    (address,) = place.glob("*.sock")
    answers: list[Status] = []
    threads = [threading.Thread(target=lambda: answers.extend(ask(address))) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 100
    assert {answer.process for answer in answers} == {find_status(place).process}


def test_a_hundred_ask_for_a_label_at_once(genai: Genai, place: Path) -> None:
    """Each gets its own, and what waits together is made together."""
    texts = [f"{word} film, number {n}" for n in range(50) for word in ("a good", "a bad")]
    prompts = genai.cwd / "texts.txt"
    prompts.write_text("".join(f"{text}\n" for text in texts))
    usual = [json.loads(line) for line in genai("classify", "--prompts", prompts, "-m", "tiny", "--json").lines]
    with WorkerEngine(60, ignore) as first:  # of this process's environment
        first.reach()
    found: dict[str, list[Any]] = {}
    said: list[Event] = []

    def ask_for_label(text: str) -> None:
        order = Order(ClassifyRequest(prompt=text, model="tiny"))
        reference = load_catalog().built_in("classify")
        (job,) = expand([order], {("classify", "tiny"): reference}, 1)
        spec = ModelSpec("classify", reference, Placing(device="cpu", dtype="float32"))
        with WorkerEngine(60, said.append) as engine:
            (outcome,) = engine.produce(Assignment(spec), [job])
        assert isinstance(outcome, Artifact)
        found[text] = outcome.record["labels"]

    with ThreadPoolExecutor(100) as threads:
        list(threads.map(ask_for_label, texts))
    assert [found[line["prompt"]] for line in usual] == [line["labels"] for line in usual]
    assert any("at once" in event.text for event in said if isinstance(event, Detail))
    (status,) = ask(find_address())
    assert status.commands == 101


def test_a_command_that_says_nothing_or_nonsense_disturbs_nobody(genai: Genai, place: Path) -> None:
    command = ["classify", "good", "-m", "tiny", *KEEP]
    first = genai(*command).stdout
    (address,) = place.glob("*.sock")
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as wild:
        silent.connect(str(address))
        wild.connect(str(address))
        wild.sendall(os.urandom(64))
        assert genai(*command).stdout == first


def test_commands_take_turns(genai: Genai, place: Path, gpt2: Path) -> None:
    """A long batch does not keep one prompt waiting, also for the same model."""
    rows = [{"prompt": f"Chapter {n}", "seed": n, "max_new_tokens": 50, "temperature": 0} for n in range(400)]
    jobs = write_rows(genai.cwd / "jobs.jsonl", rows)
    long = genai.start("text", "--prompts", jobs, "-m", gpt2, "--batch-size", "1", "--json", "-o", "out/", *KEEP)
    assert long.stdout is not None
    assert long.stdout.readline()
    short = genai("text", "It was", "-m", gpt2, "--seed", "1", "--max-new-tokens", "5", "-o", "-", *KEEP)
    assert short.code == 0, short.stderr
    assert long.poll() is None
    long.kill()
    long.communicate()


def test_a_command_that_comes_as_it_ends_is_served(place: Path) -> None:
    """It waits to be accepted when the worker stops to listen."""
    place.mkdir(mode=0o700)
    address = place / "worker-x.sock"
    worker = Worker(address)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(1)
        with connect(address, seconds=TIMEOUT) as link:
            worker.close(listener)
            assert not address.exists()
            link.send(Hello(""))
            assert isinstance(link.receive(), Welcome)
            link.send(AskStatus())
            assert isinstance(link.receive(), Status)
    wait_until(lambda: not worker.sessions)


def test_it_ends_when_nothing_comes(genai: Genai, place: Path) -> None:
    done = genai("classify", "good", "-m", "tiny", "--keep", "1s")
    assert done.code == 0
    wait_until(lambda: not list(place.glob("*.sock")))
    again = genai("classify", "good", "-m", "tiny", "--keep", "1s")
    assert (again.code, again.stdout) == (0, done.stdout)


def test_models_that_were_not_used_for_longest_are_freed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    specs = [ModelSpec("text", ModelReference(name)) for name in "abcd"]
    for age, spec in enumerate(specs):
        shelf.places[spec] = Place(spec, last_used=10.0 - age, users=int(spec is specs[3]))
    said: list[Any] = []
    assert shelf.free_oldest(said.append)
    assert [spec.reference.id for spec in shelf.places] == ["a", "b", "d"]  # d is in use, and c came before b
    assert said[0].text == "c is freed to make room"
    free = iter([0, 0, 10**12])
    monkeypatch.setattr(shelf_module, "read_available_memory", lambda _device: (next(free), 10**12))
    shelf.heed_pressure()
    assert [spec.reference.id for spec in shelf.places] == ["d"]
    assert not shelf.free_others(said.append)


def test_models_run_at_once_where_they_use_as_many_threads() -> None:
    turns, inside = Turns(), threading.Event()

    def enter() -> None:
        with turns.take(1):
            inside.set()

    with turns.take(2):
        with turns.take(2):
            pass
        thread = threading.Thread(target=enter)
        thread.start()
        assert not inside.wait(0.1)
    thread.join(TIMEOUT)
    assert inside.is_set()


# Options and commands


@pytest.mark.parametrize(("text", "seconds"), [("off", 0), ("auto", None), ("90s", 90), ("90", 90), ("2h", 7200)])
def test_times(text: str, seconds: float | None) -> None:
    assert parse_keep(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "5x", "1.5h", "forever"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InputError, match="--keep must be auto, off or a time such as 90s"):
        Keeping(keep=text)


def test_off_starts_nothing(genai: Genai, place: Path) -> None:
    for options, env in ((["--keep", "off"], {}), ([], {"GENAI_KEEP": "off"}), ([], {"GENAI_KEEP": "auto"})):
        assert genai("classify", "good", "-m", "tiny", *options, env=env).code == 0
    assert not place.exists()


def test_on_a_terminal_it_starts_by_itself(genai: Genai, place: Path) -> None:
    code, shown = in_terminal(["classify", "good", "-m", "tiny"], genai.cwd, {"GENAI_KEEP": "auto"})
    assert (code, "POSITIVE" in shown) == (0, True)
    assert "genai: a worker keeps models loaded for 5 minutes; genai worker stop ends it" in shown
    assert "a worker" not in in_terminal(["classify", "good", "-m", "tiny"], genai.cwd, {"GENAI_KEEP": "auto"})[1]
    status = find_status(place)
    assert status.ends - time.time() > 200
    assert status.commands == 2


def test_status_start_and_stop(genai: Genai, place: Path, gpt2: Path) -> None:
    none = genai("worker", "status")
    assert (none.code, none.stdout) == (0, "")
    assert "no worker is running" in none.stderr
    assert genai("worker", "start", "-m", gpt2).code == 2  # which task is it for?
    started = genai("worker", "start", "-m", "tiny", "-m", gpt2, "--task", "text", *KEEP)
    assert started.code == 0, started.stderr
    status = find_status(place)
    assert {(model.task, model.model) for model in status.models} == {("text", "tiny"), ("text", str(gpt2))}
    assert started.lines[0].startswith(f"worker {status.process}: genai ")
    assert any(line.startswith("  tiny (text), cpu, float32, last used ") for line in started.lines)
    done = genai("text", "It was", "-m", gpt2, "--seed", "1", "--max-new-tokens", "3", "-o", "-", "--json", *KEEP)
    assert json.loads(done.stdout)["seconds"]["load"] == 0
    record = json.loads(genai("worker", "status", "--json").stdout)
    assert (record["process"], len(record["models"])) == (status.process, 2)
    assert f"worker {status.process}" in genai("doctor", "--offline").stdout
    assert genai("worker", "stop").stderr == "genai: 1 worker ended\n"
    assert genai("worker", "status").stdout == ""
    wait_until(lambda: not is_running(status.process))
    assert "no worker is running" in genai("worker", "stop").stderr


def test_ray_and_the_worker_do_not_mix(run_main: RunMain) -> None:
    pytest.importorskip("ray")
    done = run_main("classify", "good", "-m", "tiny", "--engine", "ray", *KEEP)
    assert (done.code, "--keep is for the local engine" in done.stderr) == (2, True)


def test_the_greeting_tells_process_and_version(genai: Genai, place: Path) -> None:
    assert genai("classify", "good", "-m", "tiny", *KEEP).code == 0
    (address,) = place.glob("*.sock")
    assert address.stat().st_mode & 0o077 == 0
    assert place.stat().st_mode & 0o777 == 0o700
    with connect(address, seconds=TIMEOUT) as link:
        link.send(Hello(""))
        welcome = link.receive()
    assert isinstance(welcome, Welcome)
    assert welcome.process == find_status(place).process
