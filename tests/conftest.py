"""What the tests share: checkpoints built once, a hub on loopback, and ways to run the command."""

import ctypes
import http.client
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from loopback_hub import LoopbackHub

COMMAND = Path(sys.executable).with_name("genai")
# Port 9 takes no connection: a request that no test asked for fails at once and leaves this machine in no case.
NOWHERE = "http://127.0.0.1:9"
# What the programs below read from a user's environment; a test sees none of it but what it sets itself.
FOREIGN_PREFIXES = ("GENAI_", "HF_", "HUGGING", "TRANSFORMERS_", "DIFFUSERS_", "XDG_", "PYTORCH_", "CLICOLOR", "RICH_")
FOREIGN = (
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
    "PYTHONPATH",
    "PYTHONWARNINGS",
    "PYTHONUTF8",
    "PYTHONIOENCODING",
)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
TIMEOUT = 240  # seconds, for one run of the command


def pytest_configure(config: pytest.Config) -> None:
    """Keep this process off the network and the user's cache too: the libraries read these when they are imported."""
    for name in list(os.environ):
        if name.startswith(FOREIGN_PREFIXES) or name in FOREIGN or name.upper() in PROXIES:
            del os.environ[name]
    cache = tempfile.TemporaryDirectory(prefix="genai-tests-")
    config.add_cleanup(cache.cleanup)
    os.environ |= {"HF_ENDPOINT": NOWHERE, "HF_HOME": cache.name, "OMP_NUM_THREADS": "1"}
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what the tests expect is what a processor makes


@pytest.fixture(autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without a user: a home of its own, an empty cache, no settings file, no hub. Returns the home."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HF_HOME", str(home / "huggingface"))
    monkeypatch.setenv("GENAI_CONFIG", str(home / "no-such-config.toml"))
    # Digits are compared here, and where bfloat16 is quicker auto would take it.
    monkeypatch.setenv("GENAI_DTYPE", "float32")
    # On a terminal a command would start a worker, which goes on after it.
    monkeypatch.setenv("GENAI_KEEP", "off")
    return home


@pytest.fixture
def hub(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A hub without models, and an environment in which it is the hub, for commands that run as a process."""
    with LoopbackHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        # What genai settles for the endpoint of this process is not for the processes it starts.
        for name in ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_DISABLE_XET"):
            monkeypatch.delenv(name, raising=False)
        yield hub


# Running the command


@dataclass(frozen=True)
class Completed:
    """What a run of the command left: its exit code and its streams."""

    code: int
    stdout_bytes: bytes
    stderr: str

    @property
    def stdout(self) -> str:
        """The standard output as text."""
        return self.stdout_bytes.decode()

    @property
    def lines(self) -> list[str]:
        """The lines of the standard output."""
        return self.stdout.splitlines()


def take_interrupts() -> None:
    """Let SIGINT through: a shell starts what it runs in the background, these tests perhaps, with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # linux/prctl.h, linux/capability.h


def heed_permissions() -> None:
    """Root writes where it may not: run without the capability for that. Others lack it anyway."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@dataclass(frozen=True)
class Genai:
    """Runs the installed command as a process, in `cwd` unless told otherwise."""

    cwd: Path

    def __call__(
        self,
        *arguments: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | str = b"",
        timeout: float = TIMEOUT,
    ) -> Completed:
        done = subprocess.run(
            [COMMAND, *map(str, arguments)],
            cwd=cwd or self.cwd,
            env=os.environ | (env or {}),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Completed(done.returncode, done.stdout, done.stderr.decode())

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        """The command as a process that still runs, with pipes: to signal it, or to close its output."""
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        usual = {"cwd": self.cwd, "preexec_fn": take_interrupts} | streams
        return subprocess.Popen([COMMAND, *map(str, arguments)], **(usual | options))


@pytest.fixture
def genai(environment: Path, tmp_path: Path) -> Genai:
    """Runs the installed command: `genai("image", "a cat", "-m", folder)`."""
    cwd = tmp_path / "cwd"
    cwd.mkdir(exist_ok=True)
    return Genai(cwd)


def in_terminal(arguments: list[str], cwd: Path, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run the command with all three streams on a pseudo-terminal; its exit code and what it showed."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=cwd,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        env=os.environ | (env or {}),
    )
    os.close(terminal)
    shown = b""
    while True:
        ready, _, _ = select.select([controller], [], [], TIMEOUT)
        assert ready, "the command shows nothing"
        try:
            piece = os.read(controller, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(controller)
    return process.wait(), shown.decode(errors="replace")


RunMain = Callable[..., Completed]


@pytest.fixture
def run_main(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunMain:
    """Runs the command in this process, in an empty folder: quick, for folders and `tiny` only.

    The libraries have read their settings by then: HF_HOME, HF_ENDPOINT and offline mode stay what they were.
    """
    cwd = tmp_path / "cwd"
    cwd.mkdir(exist_ok=True)
    monkeypatch.chdir(cwd)

    def run(*arguments: str | Path, stdin: bytes | str = b"") -> Completed:
        from genai_cli.cli.main import main

        given = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = io.BytesIO(), io.BytesIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
            patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="utf-8", write_through=True))
            patch.setattr(sys, "stderr", io.TextIOWrapper(err, encoding="utf-8", write_through=True))
            code = main([str(argument) for argument in arguments])
            sys.stdout.flush()
            sys.stderr.flush()
            return Completed(code, out.getvalue(), err.getvalue().decode())

    return run


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A file of JSON lines, one for each row."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# Running the server


@dataclass(frozen=True)
class RunningServer:
    """A running server, which ends with the test."""

    process: subprocess.Popen[bytes]
    port: int

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, headers or {})
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def client(self, key: str = "none") -> Any:
        """OpenAI's own client."""
        import openai

        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key=key, max_retries=0)


Serve = Callable[..., RunningServer]


@pytest.fixture
def serve(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts servers with workers of their own."""
    place = Path(tempfile.mkdtemp(prefix="g"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    servers: list[RunningServer] = []

    def start(*options: str | Path) -> RunningServer:
        command = [COMMAND, "serve", "--port", "0", "--keep", "2m", *map(str, options)]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        found = re.search(r":(\d+)/v1\n$", line)
        assert found, line + process.stderr.read().decode()
        servers.append(RunningServer(process, int(found[1])))
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()
        server.process.communicate()
    subprocess.run([COMMAND, "worker", "stop"], check=True, capture_output=True)
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def one_server() -> Iterator[RunningServer]:
    """A server for the tests that ask for nothing that a model makes."""
    with tempfile.TemporaryDirectory(prefix="g") as place:
        env = os.environ | {"XDG_RUNTIME_DIR": place, "GENAI_KEEP": "1m", "HF_HUB_OFFLINE": "1"}
        command = [COMMAND, "serve", "--port", "0", "-m", "tiny"]
        process = subprocess.Popen(command, cwd=place, env=env, stderr=subprocess.PIPE)
        assert process.stderr is not None
        found = re.search(r":(\d+)/v1\n$", process.stderr.readline().decode())
        assert found
        yield RunningServer(process, int(found[1]))
        process.kill()
        said = process.communicate()[1]
        subprocess.run([COMMAND, "worker", "stop"], env=env, check=True, capture_output=True)
    assert not said, said.decode()  # no request leaves a traceback


# Checkpoints, each built when the first test asks for it


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's cache folder for all tests of a file: a network is converted once."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def cache(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where networks are kept in that cache folder, which is the present one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept))
    return kept / "genai" / "quantized"


def read_records(done: Completed) -> list[dict[str, object]]:
    """The records that a command printed, a line each; it ended well."""
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def copy_of(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of a checkpoint, to be changed."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds a checkpoint into a new folder: `build("gpt2", context=32)`."""

    def build_checkpoint(name: str, **options: Any) -> Path:
        return checkpoint_builders()[f"build_{name}"](tmp_path_factory.mktemp(name) / name, **options)

    return build_checkpoint


def checkpoint_builders() -> dict[str, Build]:
    """The builders, with the libraries they need: seconds, which tests that build nothing do not wait."""
    import checkpoint_pipelines
    import checkpoints
    import checkpoints_encoders
    import checkpoints_hearing
    import checkpoints_speech

    modules = (checkpoint_pipelines, checkpoints, checkpoints_encoders, checkpoints_hearing, checkpoints_speech)
    return {name: value for module in modules for name, value in vars(module).items()}


@pytest.fixture(scope="session")
def stable_diffusion(build: Build) -> Path:
    """Stable Diffusion 1.5, 64x64, plain and fp16, with a safety checker that flags nothing."""
    return build("stable_diffusion")


@pytest.fixture(scope="session")
def flagging_stable_diffusion(build: Build) -> Path:
    """The same with a safety checker that flags every picture."""
    return build("stable_diffusion", flags_everything=True)


@pytest.fixture(scope="session")
def sdxl(build: Build) -> Path:
    """Stable Diffusion XL, 64x64, plain and fp16."""
    return build("sdxl")


@pytest.fixture(scope="session")
def encoder(build: Build) -> Path:
    """A BERT in the layout of sentence-transformers."""
    return build("sentence_encoder")


@pytest.fixture(scope="session")
def clip(build: Build) -> Path:
    """CLIP, for texts and pictures."""
    return build("clip")


@pytest.fixture(scope="session")
def siglip(build: Build) -> Path:
    """SigLIP, for texts and pictures."""
    return build("siglip")


@pytest.fixture(scope="session")
def flow_pipeline(build: Build) -> Path:
    """Flux, plain files only."""
    return build("flow_pipeline")


@pytest.fixture(scope="session")
def gpt2(build: Build) -> Path:
    """GPT-2 with a context of 64 tokens."""
    return build("gpt2")


@pytest.fixture(scope="session")
def gpt2_sharded(build: Build) -> Path:
    """The same GPT-2 in several files."""
    return build("gpt2_sharded")


@pytest.fixture(scope="session")
def llama_chat(build: Build) -> Path:
    """A Llama-type model with a chat template, in bfloat16."""
    return build("llama_chat")


@pytest.fixture(scope="session")
def distilbert(build: Build) -> Path:
    """DistilBERT with the labels NEGATIVE and POSITIVE and a window of 64 tokens."""
    return build("distilbert")


@pytest.fixture(scope="session")
def three_labels(build: Build) -> Path:
    """BERT with three labels."""
    return build("three_labels")


@pytest.fixture(scope="session")
def musicgen(build: Build) -> Path:
    """MusicGen, at most 30 seconds at 32000 samples a second."""
    return build("musicgen")


@pytest.fixture(scope="session")
def vits(build: Build) -> Path:
    """A VITS model, 16000 samples a second."""
    return build("vits")


@pytest.fixture(scope="session")
def bark(build: Build) -> Path:
    """Bark, 24000 samples a second."""
    return build("bark")


@pytest.fixture(scope="session")
def masked_lm(build: Build) -> Path:
    """BERT for masked language modelling, which no command takes."""
    return build("masked_lm")


@dataclass(frozen=True)
class PickleOnly:
    """A checkpoint with pickled weights only, and the file that appears when they are unpickled."""

    folder: Path
    canary: Path


@pytest.fixture
def pickle_only(build: Build, tmp_path: Path) -> PickleOnly:
    """GPT-2 with pickled weights only."""
    canary = tmp_path / "canary"
    return PickleOnly(build("pickle_only", canary=canary), canary)


@pytest.fixture(scope="session")
def whisper(build: Build) -> Path:
    """A Whisper for windows of 10 s and two languages that says the same in each window."""
    return build("whisper")
