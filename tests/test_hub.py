"""Models by name, from a hub on loopback: which files are asked for, how often, and of which commit."""

import json
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkpoint_parts import write_json
from conftest import Genai, PickleOnly, heed_permissions
from loopback_hub import LoopbackHub

SD = "stable-diffusion-v1-5/stable-diffusion-v1-5"
QUICK = ["--steps", "2", "-o", "x.png"]
UNWANTED = (".bin", ".ckpt", ".h5", ".pt", ".onnx", ".tflite")


def cached_files(environment: Path) -> set[str]:
    """The names of all files in the cache's snapshots."""
    snapshots = (environment / "huggingface" / "hub").glob("*/snapshots/*")
    return {
        path.relative_to(snapshot).as_posix()
        for snapshot in snapshots
        for path in snapshot.rglob("*")
        if path.is_file()
    }


def test_only_the_needed_files_of_one_commit(
    genai: Genai, hub: LoopbackHub, stable_diffusion: Path, environment: Path
) -> None:
    commit = hub.add(SD, stable_diffusion)
    done = genai("models", "pull", "sd15")
    assert done.code == 0, done.stderr
    files = cached_files(environment)
    weights = {name for name in files if name.endswith(".safetensors")}
    assert weights == {
        "text_encoder/model.fp16.safetensors",
        "safety_checker/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    }
    assert not [name for name in files if name.endswith(UNWANTED)]
    assert {"model_index.json", "tokenizer/vocab.json", "scheduler/scheduler_config.json", "README.md"} <= files
    resolved = [target for _, target in hub.requests if "/resolve/" in target]
    assert resolved
    assert all(f"/resolve/{commit}/" in target for target in resolved)


def test_cached_and_online_makes_one_small_request_and_offline_none(genai: Genai, hub: LoopbackHub, gpt2: Path) -> None:
    hub.add("openai-community/gpt2", gpt2)
    genai("models", "pull", "gpt2")
    hub.requests.clear()
    first = genai("text", "It was", "--seed", "1", "--max-new-tokens", "5", "--json")
    assert first.code == 0, first.stderr
    assert len(hub.requests) == 1, hub.requests
    assert "blobs" not in hub.requests[0][1]
    hub.requests.clear()
    offline = genai("text", "It was", "--seed", "1", "--max-new-tokens", "5", "--json", "--offline")
    assert hub.requests == []
    texts = {json.loads(done.stdout)["text"] for done in (first, offline)}
    revisions = {json.loads(done.stdout)["model"]["revision"] for done in (first, offline)}
    assert len(texts) == len(revisions) == 1


def test_a_commit_that_is_cached_needs_no_request(genai: Genai, hub: LoopbackHub, gpt2: Path) -> None:
    commit = hub.add("owner/name", gpt2)
    assert genai("models", "pull", f"owner/name@{commit}").code == 0
    hub.requests.clear()
    assert genai("models", "pull", f"owner/name@{commit}").code == 0
    assert hub.requests == []


def test_the_variable_for_offline_means_the_same(genai: Genai, hub: LoopbackHub, gpt2: Path) -> None:
    hub.add("owner/name", gpt2)
    genai("models", "pull", "owner/name")
    hub.requests.clear()
    assert genai("models", "pull", "owner/name", env={"HF_HUB_OFFLINE": "1"}).code == 0
    assert hub.requests == []


def test_the_old_name_is_understood(genai: Genai, hub: LoopbackHub, stable_diffusion: Path) -> None:
    hub.add(SD, stable_diffusion)
    assert genai("models", "pull", "runwayml/stable-diffusion-v1-5").code == 0
    assert not [target for _, target in hub.requests if "runwayml" in target]


def test_a_picture_from_the_hub_without_the_safety_checker(
    genai: Genai, hub: LoopbackHub, stable_diffusion: Path, environment: Path
) -> None:
    commit = hub.add(SD, stable_diffusion)
    done = genai("image", "a cat", "--no-safety", "--dtype", "auto", *QUICK, "--json")
    assert done.code == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["model"] == {
        "id": SD,
        "revision": commit,
        "variant": "fp16",
        "license": "creativeml-openrail-m",
    }
    assert not [name for name in cached_files(environment) if name.startswith("safety_checker/") and "fp16" in name]
    with_checker = genai("image", "a cat", "--dtype", "auto", *QUICK, "--json")
    assert json.loads(with_checker.stdout)["parameters"]["safety"] is True


def test_classify_and_audio_from_the_hub(
    genai: Genai, hub: LoopbackHub, distilbert: Path, musicgen: Path, environment: Path
) -> None:
    hub.add("distilbert/distilbert-base-uncased-finetuned-sst-2-english", distilbert)
    hub.add("facebook/musicgen-small", musicgen)
    assert genai("classify", "great").code == 0
    assert genai("audio", "rock", "--duration", "0.5", "-o", "x.wav").code == 0
    assert (genai.cwd / "x.wav").stat().st_size > 1000
    assert not [name for name in cached_files(environment) if name.endswith(UNWANTED)]


def test_a_branch_that_moves_is_followed_and_the_old_commit_stays(
    genai: Genai, hub: LoopbackHub, gpt2: Path, tmp_path: Path
) -> None:
    old = hub.add("owner/name", gpt2)
    genai("models", "pull", "owner/name")
    changed = tmp_path / "changed"
    shutil.copytree(gpt2, changed)
    (changed / "README.md").write_text("---\nlicense: mit\n---\n# changed\n")
    new = hub.add("owner/name", changed)
    folder = genai("models", "pull", "owner/name").stdout.strip()
    assert folder.endswith(new)
    assert genai("models", "pull", f"owner/name@{old}").stdout.strip().endswith(old)
    assert genai("models", "pull", "owner/name", "--offline").stdout.strip().endswith(new)


def test_other_revisions_by_name(genai: Genai, hub: LoopbackHub, gpt2: Path, gpt2_sharded: Path) -> None:
    hub.add("owner/name", gpt2)
    commit = hub.add("owner/name", gpt2_sharded, branch="refs/pr/1")
    assert genai("models", "pull", "owner/name@refs/pr/1").stdout.strip().endswith(commit)
    assert genai("models", "pull", "owner/name@refs/pr/1", "--offline").code == 0


def test_what_is_not_to_be_had(genai: Genai, hub: LoopbackHub, gpt2: Path) -> None:
    hub.add("owner/gated", gpt2)
    hub.gated.add("owner/gated")
    hub.add("owner/name", gpt2)
    unknown = genai("models", "pull", "owner/unknown")
    gated = genai("models", "pull", "owner/gated")
    revision = genai("models", "pull", "owner/name@v9")
    assert [done.code for done in (unknown, gated, revision)] == [4, 4, 4]
    assert "there is no model owner/unknown" in unknown.stderr
    assert "owner/gated is gated" in gated.stderr
    assert "owner/name has no revision 'v9'" in revision.stderr
    assert len({done.stderr.splitlines()[1] for done in (unknown, gated, revision)}) == 3
    assert all(len(done.stderr.splitlines()) == 2 for done in (unknown, gated, revision))


def test_pickled_weights_are_refused_before_they_are_fetched(
    genai: Genai, hub: LoopbackHub, pickle_only: PickleOnly, environment: Path
) -> None:
    hub.add("owner/pickled", pickle_only.folder)
    done = genai("models", "pull", "owner/pickled")
    assert done.code == 9
    assert "refs/pr/1" in done.stderr
    assert not pickle_only.canary.exists()
    assert not [name for name in cached_files(environment) if name.endswith(UNWANTED)]


def test_a_model_of_another_kind_is_told_before_its_weights(genai: Genai, hub: LoopbackHub, distilbert: Path) -> None:
    hub.add("owner/classifier", distilbert)
    done = genai("image", "a cat", "-m", "owner/classifier")
    assert done.code == 2
    assert "a classifier" in done.stderr
    assert not [target for _, target in hub.requests if target.endswith(".safetensors")]


def test_no_network_and_nothing_cached(genai: Genai) -> None:
    done = genai("text", "It was")
    assert done.code == 5
    assert "the hub is not reachable" in done.stderr
    assert "-m tiny is built in and needs no network" in done.stderr
    offline = genai("text", "It was", "--offline")
    assert offline.code == 4
    assert "genai models pull openai-community/gpt2" in offline.stderr


def test_no_network_and_cached_goes_on_with_a_notice(genai: Genai, hub: LoopbackHub, gpt2: Path) -> None:
    hub.add("owner/name", gpt2)
    genai("models", "pull", "owner/name")
    done = genai("models", "pull", "owner/name", env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert done.code == 0
    assert "using owner/name as cached" in done.stderr


def test_a_cut_download_is_taken_up(genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path) -> None:
    hub.add("owner/name", gpt2)
    weights = "model.safetensors"
    hub.drop_after(weights, 5000, times=100)
    cut = genai("models", "pull", "owner/name", env={"HF_HUB_DOWNLOAD_TIMEOUT": "2"})
    assert cut.code == 5, cut.stderr
    assert weights not in cached_files(environment)
    assert genai("text", "It was", "-m", "owner/name", "--offline").code == 4
    hub.drops.clear()
    assert genai("models", "pull", "owner/name").code == 0
    assert weights in cached_files(environment)


def test_a_damaged_download_is_removed_and_fetched_again(
    genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path
) -> None:
    hub.add("owner/name", gpt2)
    hub.corrupt("model.safetensors")
    damaged = genai("models", "pull", "owner/name")
    assert damaged.code == 4
    assert "model.safetensors arrived damaged and was removed" in damaged.stderr
    assert "model.safetensors" not in cached_files(environment)
    hub.corrupted.clear()
    assert genai("models", "pull", "owner/name").code == 0
    fetched = next((environment / "huggingface" / "hub").glob("*/snapshots/*/model.safetensors"))
    assert fetched.read_bytes() == (gpt2 / "model.safetensors").read_bytes()


def test_listing_and_removing(genai: Genai, hub: LoopbackHub, gpt2: Path, musicgen: Path) -> None:
    commit = hub.add("owner/name", gpt2)
    hub.add("facebook/musicgen-small", musicgen)
    genai("models", "pull", "owner/name")
    genai("models", "pull", "musicgen")
    lines = genai("models", "list").lines
    mine = next(line for line in lines if line.startswith("owner/name"))
    assert commit[:8] in mine
    assert "cc-by-nc-4.0" in next(line for line in lines if line.startswith("facebook/musicgen-small"))
    entries = [json.loads(line) for line in genai("models", "list", "--json").lines]
    size = next(entry["size"] for entry in entries if entry["name"] == "owner/name")
    assert size > (gpt2 / "model.safetensors").stat().st_size
    removed = genai("models", "remove", "owner/name", "--json")
    assert json.loads(removed.stdout)["freed"] == size
    assert "owner/name" not in genai("models", "list").stdout
    assert genai("models", "remove", "owner/name").code == 4


def test_a_copy_of_a_model_stays_where_the_other_is_removed(
    genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path
) -> None:
    """A copied repository has the same commits. A broken model can be removed too."""
    commits = {hub.add(name, gpt2) for name in ("owner/name", "other/copy")}
    for name in ("owner/name", "other/copy"):
        assert genai("models", "pull", name).code == 0
    own = environment / "huggingface" / "hub" / "models--owner--name"
    next(own.glob("snapshots/*/config.json")).write_text("{")
    assert genai("models", "remove", f"owner/name@{commits.pop()}").code == 0
    assert commits == set()
    done = genai("text", "It was", "-m", "other/copy", "--offline", "--seed", "1", "--max-new-tokens", "2")
    assert done.code == 0, done.stderr


def test_showing_a_card_without_fetching_the_model(genai: Genai, hub: LoopbackHub, stable_diffusion: Path) -> None:
    hub.add(SD, stable_diffusion)
    done = genai("models", "show", "sd15")
    assert done.code == 0, done.stderr
    assert "licence: creativeml-openrail-m" in done.stdout
    assert "imitation" in done.stdout.lower()
    assert not [target for _, target in hub.requests if target.endswith(".safetensors")]


def test_a_disk_that_is_too_small_is_said_before_the_first_byte(
    genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path
) -> None:
    commit = hub.add("owner/big", gpt2)
    files = hub.commits["owner/big"][commit].files
    files["model.safetensors"] = replace(files["model.safetensors"], size=10**15)
    done = genai("models", "pull", "owner/big")
    assert done.code == 4
    assert "the download needs 1000000.0 GB" in done.stderr
    assert "model.safetensors" not in cached_files(environment)


# Downloads that go wrong


WEIGHTS = "model.safetensors"
# What the library writes to disk at a time, and so the unit in which it resumes.
CHUNK = 10 * 2**20


def pointer(environment: Path, name: str = WEIGHTS) -> Path:
    """The one file of that name in the cache."""
    return next((environment / "huggingface" / "hub").glob(f"*/snapshots/*/{name}"))


def leftovers(environment: Path) -> list[Path]:
    """What a download that failed should not leave in the cache: parts of files, and weights."""
    cache = environment / "huggingface" / "hub"
    return [*cache.glob("*/blobs/*.incomplete"), *cache.glob(f"*/snapshots/*/{WEIGHTS}")]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A checkpoint whose weights come in more than one piece; nobody loads it."""
    import numpy
    from safetensors.numpy import save_file

    folder = tmp_path / "large"
    write_json(folder / "config.json", {"architectures": ["GPT2LMHeadModel"]})
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    noise = numpy.random.default_rng(0).integers(0, 255, CHUNK + 2_000_000, dtype="uint8")
    save_file({"wte.weight": noise}, folder / WEIGHTS)
    return folder


@pytest.mark.parametrize("abrupt", [False, True], ids=["closed", "reset"])
def test_a_drop_in_the_middle_resumes(
    genai: Genai, hub: LoopbackHub, large: Path, environment: Path, abrupt: bool
) -> None:
    hub.add("owner/name", large)
    hub.abrupt = abrupt
    hub.drop_after(WEIGHTS, CHUNK + 1_000_000)
    done = genai("models", "pull", "owner/name")
    assert done.code == 0
    assert re.fullmatch(r"genai: fetching owner/name: 12\.5 MB; the disk has \S+ .B free\n", done.stderr), done.stderr
    assert hub.ranges == [f"bytes={CHUNK}-"]
    assert pointer(environment).read_bytes() == (large / WEIGHTS).read_bytes()


def test_a_download_that_is_given_up_says_what_is_kept(genai: Genai, hub: LoopbackHub, large: Path) -> None:
    hub.add("owner/name", large)
    hub.drop_after(WEIGHTS, 1000, times=100)
    cut = genai("models", "pull", "owner/name", env={"HF_HUB_DOWNLOAD_TIMEOUT": "2"})
    assert cut.code == 5
    assert "of 12.5 MB of owner/name are kept; the same command fetches the rest" in cut.stderr
    assert "partial" in next(line for line in genai("models", "list").lines if "owner/name" in line)
    hub.drops.clear()
    assert genai("models", "pull", "owner/name").code == 0
    assert "partial" not in genai("models", "list").stdout


def test_a_short_429_is_waited_out(genai: Genai, hub: LoopbackHub, gpt2: Path) -> None:
    hub.add("owner/name", gpt2)
    hub.fail_next(429, {"Retry-After": "1"})
    limit_once(hub, WEIGHTS, {"RateLimit": '"resolvers";r=0;t=2'})
    done = genai("models", "pull", "owner/name")
    assert done.code == 0, done.stderr
    assert done.stderr.splitlines() == ["genai: the hub asks to wait 1 s", "genai: the hub asks to wait 2 s"]


def limit_once(hub: LoopbackHub, name: str, headers: dict[str, str]) -> None:
    """Answer 429 when a file is first asked for."""
    pending = [headers]

    def limit(target: str) -> None:
        if target.endswith(name) and pending:
            hub.fail_next(429, pending.pop())

    hub.before_answer.append(limit)


@pytest.mark.parametrize("headers", [{"Retry-After": "3600"}, {"RateLimit": '"api";r=0;t=3600'}])
@pytest.mark.parametrize("name", ["main", WEIGHTS])
def test_a_long_429_is_said(
    genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path, name: str, headers: dict[str, str]
) -> None:
    hub.add("owner/name", gpt2)
    limit_once(hub, name, headers)
    done = genai("models", "pull", "owner/name")
    assert done.code == 5
    assert "the hub answered 429: too many requests; it asks to wait 3600 s" in done.stderr.splitlines()[0]
    assert "try again in 60 min" in done.stderr.splitlines()[1]
    assert leftovers(environment) == []


def test_what_a_killed_run_left_unchecked_is_checked_by_the_next(
    genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path
) -> None:
    hub.add("owner/name", gpt2)
    kept: list[Path] = []
    notes = environment / "huggingface" / "hub" / "models--owner--name" / ".unchecked"

    def look(target: str) -> None:
        if target.endswith(WEIGHTS) and not kept:
            kept.append(Path(shutil.copytree(notes, environment / "notes")))

    hub.before_answer.append(look)
    assert genai("models", "pull", "owner/name").code == 0
    assert [path for path in notes.rglob("*") if path.is_file()] == []
    # The state that a kill leaves between the arrival of a damaged file and its check: the note from before it came.
    shutil.copytree(kept[0], notes, dirs_exist_ok=True)
    flip_a_bit(pointer(environment))
    offline = genai("text", "It was", "-m", "owner/name", "--offline")
    assert offline.code == 4
    assert f"{WEIGHTS} arrived damaged and was removed" in offline.stderr.splitlines()[0]
    assert leftovers(environment) == []
    shutil.copytree(kept[0], notes, dirs_exist_ok=True)
    assert genai("models", "pull", "owner/name").code == 0
    assert pointer(environment).read_bytes() == (gpt2 / WEIGHTS).read_bytes()


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.resolve().write_bytes(data)


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer_config.json"])
def test_a_truncated_file_in_the_cache(
    genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path, name: str
) -> None:
    hub.add("owner/name", gpt2)
    genai("models", "pull", "owner/name")
    blob = pointer(environment, name).resolve()
    blob.write_bytes(blob.read_bytes()[:-20])
    offline = genai("text", "It was", "-m", "owner/name", "--offline")
    assert offline.code == 4
    assert offline.stderr.splitlines()[0].startswith(f"genai: error: model owner/name: {name} is broken: ")
    assert "genai models pull owner/name" in offline.stderr.splitlines()[1]
    assert "genai doctor --repair" in offline.stderr.splitlines()[1]
    hub.requests.clear()
    mended = genai("models", "pull", "owner/name")
    assert mended.code == 0, mended.stderr
    assert hub.fetched() == [name]
    assert pointer(environment, name).read_bytes() == (gpt2 / name).read_bytes()


def test_a_full_disk_under_the_cache(genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path) -> None:
    hub.add("owner/name", gpt2)
    size = (gpt2 / WEIGHTS).stat().st_size // 2

    def limit() -> None:
        """A disk that takes no file as large as the weights."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    run = genai.start("models", "pull", "owner/name", preexec_fn=limit)
    _, error = run.communicate(timeout=100)
    assert run.returncode == 4
    assert error.splitlines()[0] == b"genai: error: owner/name could not be stored in the cache: File too large"
    assert leftovers(environment) == []


def test_a_branch_that_moves_between_the_requests(
    genai: Genai, hub: LoopbackHub, gpt2: Path, three_labels: Path, environment: Path
) -> None:
    commit = hub.add("owner/name", gpt2)

    def move(target: str) -> None:
        if "/resolve/" in target:
            hub.add("owner/name", three_labels)

    hub.before_answer.append(move)
    done = genai("text", "It was", "-m", "owner/name", "--seed", "1", "--max-new-tokens", "2", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["model"]["revision"] == commit
    assert hub.branches["owner/name"]["main"] != commit
    assert {path.name for path in (environment / "huggingface" / "hub").glob("*/snapshots/*")} == {commit}
    # Nothing but the commit and its files was asked for: no conversion service, no templates, no kernels.
    expected = re.compile(
        rf"/api/models/owner/name/revision/(main|{commit})(\?blobs=\w+)?|/owner/name/resolve/{commit}/.+"
    )
    assert [target for _, target in hub.requests if not expected.fullmatch(target)] == []


# A cache that nobody may write to


@pytest.fixture
def read_only(environment: Path) -> Iterator[Callable[[], None]]:
    """Makes the folders of the cache read-only, until the test ends."""
    folders: list[Path] = []

    def lock() -> None:
        cache = environment / "huggingface"
        folders.extend(path for path in [cache, *cache.rglob("*")] if path.is_dir() and not path.is_symlink())
        for path in folders:
            path.chmod(0o555)

    yield lock
    for path in folders:
        path.chmod(0o755)


def test_a_read_only_cache_works_when_it_is_complete(
    genai: Genai, hub: LoopbackHub, gpt2: Path, read_only: Callable[[], None]
) -> None:
    commit = hub.add("owner/name", gpt2)
    assert genai("models", "pull", f"owner/name@{commit}").code == 0  # so that no branch is noted
    read_only()

    def run(*arguments: str) -> tuple[int | None, bytes, list[str]]:
        process = genai.start(*arguments, preexec_fn=heed_permissions)
        out, error = process.communicate(timeout=100)
        return process.returncode, out, [line for line in error.decode().splitlines() if line.startswith("genai: ")]

    options = ["--seed", "1", "--max-new-tokens", "3", "-o", "-"]
    code, online, told = run("text", "It was", "-m", "owner/name", *options)
    assert (code, told) == (0, [])
    assert run("text", "It was", "-m", f"owner/name@{commit}", *options, "--offline") == (0, online, [])
    hub.add("owner/other", gpt2)
    code, _, told = run("models", "pull", "owner/other")
    assert code == 4
    assert told == ["genai: error: owner/other could not be stored in the cache: Permission denied"]


# The token


TOKEN = "hf_canary0canary0canary0"


def everything_written(*folders: Path) -> Iterator[bytes]:
    """The content and name of each file below the folders."""
    for folder in folders:
        for path in folder.rglob("*"):
            yield str(path).encode()
            if path.is_file():
                yield path.read_bytes()


@pytest.mark.parametrize("trusted", [None, "http://127.0.0.1:9", "same"])
def test_the_token_goes_to_trusted_places_only(
    genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path, trusted: str | None
) -> None:
    with LoopbackHub() as storage:
        for place in (hub, storage):
            place.add("owner/name", gpt2)
        hub.storage = storage.url
        trust: dict[str, Any] = {"GENAI_TRUST_ENDPOINT": hub.url if trusted == "same" else trusted} if trusted else {}
        done = genai("models", "pull", "owner/name", "--debug", "-v", env={"HF_TOKEN": TOKEN, **trust})
        assert done.code == 0, done.stderr
        assert storage.fetched() == [WEIGHTS]
        assert storage.tokens == []
        assert set(hub.tokens) == ({f"Bearer {TOKEN}"} if trusted == "same" else set())
        hub.gated.add("owner/name")
        shutil.rmtree(environment / "huggingface")
        gated = genai("models", "pull", "owner/name", "--debug", "-v", env={"HF_TOKEN": TOKEN, **trust})
        assert gated.code == 4
    written = [done.stdout_bytes, done.stderr.encode(), gated.stderr.encode()]
    assert not [part for part in [*written, *everything_written(environment, genai.cwd)] if TOKEN.encode() in part]


# Licences


def without_card(checkpoint: Path, folder: Path) -> Path:
    """A copy that states no licence."""
    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("README.md"))
    return folder


def test_a_licence_that_is_not_allowed_is_refused_before_the_weights(
    genai: Genai, hub: LoopbackHub, musicgen: Path, gpt2: Path, tmp_path: Path
) -> None:
    hub.add("facebook/musicgen-small", musicgen)
    hub.add("owner/unknown", without_card(gpt2, tmp_path / "unknown"))
    hub.add("owner/name", gpt2)
    refused = genai("models", "pull", "musicgen", "--require-license", "MIT, apache-2.0")
    assert refused.code == 9
    assert refused.stderr.splitlines()[0] == (
        "genai: error: facebook/musicgen-small is under cc-by-nc-4.0, and only apache-2.0, mit may be used"
    )
    unknown = genai("text", "hi", "-m", "owner/unknown", env={"GENAI_REQUIRE_LICENSE": "mit"})
    assert unknown.code == 9
    assert "owner/unknown states no licence" in unknown.stderr.splitlines()[0]
    assert not [name for name in hub.fetched() if name.endswith(".safetensors")]
    assert genai("models", "pull", "owner/name", "--require-license", "mit").code == 0
    # What is cached is judged too.
    assert genai("models", "pull", "owner/name", "--require-license", "apache-2.0", "--offline").code == 9


def test_a_cache_with_pickled_weights_alone_asks_the_hub(
    genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path
) -> None:
    """Another program left them; the hub has safetensors beside them."""
    hub.add("owner/name", gpt2)
    assert genai("models", "pull", "owner/name").code == 0
    weights = pointer(environment)
    weights.resolve().unlink()
    weights.unlink()
    weights.with_name("pytorch_model.bin").write_bytes(b"pickled")
    assert genai("text", "It was", "-m", "owner/name", "--offline").code == 9
    done = genai("text", "It was", "-m", "owner/name", "--seed", "1", "-o", "-")
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("address", ["http://127.0.0.1:80x", "hub.example", "http://[::1", "https://"])
def test_an_address_that_is_none_is_named(genai: Genai, address: str) -> None:
    done = genai("text", "It was", "-m", "tiny", env={"HF_ENDPOINT": address})
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"genai: error: HF_ENDPOINT is not an address: {address!r}\nhint: ")
