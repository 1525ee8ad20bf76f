"""Signed files (C2PA): what others read in them, what `genai show` says, and what is said of a bad certificate."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RunMain
from readers import GENERATED

c2pa = pytest.importorskip("c2pa")
from certificates import Authority, make_authority  # noqa: E402

FORMATS = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".wav": "audio/wav"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def studio(authority: Authority) -> list[str]:
    """The options that sign as a studio."""
    chain = authority.issue("studio")
    return ["--c2pa-cert", str(chain), "--c2pa-key", str(chain.with_suffix(".key"))]


def made(name: str, stable_diffusion: Path, musicgen: Path) -> list[str]:
    """The command that makes a file of that name."""
    if name.endswith(".wav"):
        return ["audio", "a secret solo", "-m", str(musicgen), "--duration", "0.5", "--seed", "1", "-o", name]
    return ["image", "a secret cat", "-m", str(stable_diffusion), "--steps", "2", "--seed", "1", "-o", name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_signed_file(
    run_main: RunMain, studio: list[str], stable_diffusion: Path, musicgen: Path, suffix: str
) -> None:
    signed, plain = f"signed{suffix}", f"plain{suffix}"
    done = run_main(*made(signed, stable_diffusion, musicgen), *studio)
    assert (done.code, done.stdout) == (0, f"{signed}\n"), done.stderr
    run_main(*made(plain, stable_diffusion, musicgen))
    with c2pa.Reader(FORMATS[suffix], Path(signed).open("rb")) as reader:
        assert reader.get_validation_state() == "Valid"
        manifest = reader.get_active_manifest()
    (actions,) = [part["data"]["actions"] for part in manifest["assertions"] if part["label"] == "c2pa.actions.v2"]
    assert [(action["action"], action["digitalSourceType"]) for action in actions] == [("c2pa.created", GENERATED)]
    assert actions[0]["softwareAgent"]["name"] == "genai"
    assert manifest["signature_info"]["common_name"] == "studio"
    told, other = (json.loads(run_main("show", name, "--json").stdout) for name in (signed, plain))
    assert told.pop("signature") == {"state": "whole", "by": "studio", "issuer": "Example Studio"}
    assert told["content_sha256"] == other["content_sha256"]
    assert told["prompt"] == other["prompt"]
    assert "signature.by                 studio" in run_main("show", signed).lines
    assert "signature" not in run_main("show", plain).stdout


def test_a_file_changed_after_signing_is_said(run_main: RunMain, studio: list[str], stable_diffusion: Path) -> None:
    run_main("image", "a cat", "-m", stable_diffusion, "--steps", "2", "-o", "a.jpg", *studio)
    Path("a.jpg").write_bytes(Path("a.jpg").read_bytes().replace(b"a cat", b"a dog"))
    told = json.loads(run_main("show", "a.jpg", "--json").stdout)
    assert told["prompt"] == "a dog"
    assert told["signature"]["state"] == "broken: the file was changed after it was signed"


def test_signing_tells_no_more_than_the_file(run_main: RunMain, studio: list[str], stable_diffusion: Path) -> None:
    """Without metadata the prompt is in no part of the file, and the key never is."""
    options = ["--steps", "2", "--no-metadata", "--json", "-v", "-o", "a.png"]
    done = run_main("image", "a secret cat", "-m", stable_diffusion, *options, *studio)
    data = Path("a.png").read_bytes()
    assert b"secret" not in data
    key = "".join(Path(studio[3]).read_text().splitlines()[1:-1])
    for said in (data.decode("latin-1"), done.stdout, done.stderr):
        assert key[:40] not in said
        assert "PRIVATE KEY" not in said


def test_what_a_file_was_made_from_is_its_ingredient(run_main: RunMain, studio: list[str]) -> None:
    run_main("image", "a red circle", "-m", "tiny", "--seed", "1", "-o", "first.png", *studio)
    edit = ("edit", "first.png", "a blue star", "-m", "tiny", "--seed", "1", "--steps", "4")
    done = run_main(*edit, "-o", "second.png", *studio)
    assert done.code == 0, done.stderr
    with c2pa.Reader("image/png", Path("second.png").open("rb")) as reader:
        assert reader.get_validation_state() == "Valid"
        manifest, whole = reader.get_active_manifest(), json.loads(reader.json())
    (ingredient,) = manifest["ingredients"]
    assert (ingredient["title"], ingredient["relationship"]) == ("first.png", "inputTo")
    inner = whole["manifests"][ingredient["active_manifest"]]
    assert inner["title"] == "a-red-circle"
    assert run_main(*edit, "--no-metadata", "-o", "bare.png", *studio).code == 0
    with c2pa.Reader("image/png", Path("bare.png").open("rb")) as reader:
        assert "ingredients" not in reader.get_active_manifest()
    assert b"first.png" not in Path("bare.png").read_bytes()


def test_a_batch_and_stdout_are_signed(run_main: RunMain, studio: list[str], stable_diffusion: Path) -> None:
    Path("rows.jsonl").write_text('{"prompt": "a cat", "id": "cat"}\n')
    options = ["-m", stable_diffusion, "--steps", "2", *studio]
    assert run_main("image", "--prompts", "rows.jsonl", "-o", "out/", *options).code == 0
    assert json.loads(run_main("show", "out/cat.png", "--json").stdout)["signature"]["by"] == "studio"
    Path("stdout.png").write_bytes(run_main("image", "a cat", "-o", "-", *options).stdout_bytes)
    assert json.loads(run_main("show", "stdout.png", "--json").stdout)["signature"]["by"] == "studio"


def key_of(kind: str) -> object:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    curves = {"P-384": ec.SECP384R1(), "P-521": ec.SECP521R1(), "secp256k1": ec.SECP256K1()}
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    return ed25519.Ed25519PrivateKey.generate() if kind == "Ed25519" else rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("P-384", "es384"), ("P-521", "es512"), ("Ed25519", "ed25519"), ("RSA", "ps256")]
)
def test_the_algorithm_is_told_from_the_key(authority: Authority, kind: str, algorithm: str) -> None:
    from genai_cli.content.signing import load_signer

    chain = authority.issue(kind, key_of(kind))
    assert load_signer(chain, chain.with_suffix(".key")).algorithm == algorithm  # it signs a small picture


NEVER = ["-m", "owner/never-asked-for"]


@pytest.mark.parametrize(
    ("certificate", "key", "line"),
    [
        ("none.pem", "studio.key", "{folder}/none.pem cannot be read: No such file or directory"),
        ("studio.key", "studio.key", "{folder}/studio.key holds no certificates (PEM)"),
        ("studio.pem", "studio.pem", "{folder}/studio.pem holds no private key (PEM)"),
        ("studio.pem", "studio.locked", "{folder}/studio.locked is locked with a password"),
        ("studio.pem", "late.key", "{folder}/late.key is not the key of the first certificate in {folder}/studio.pem"),
        ("late.pem", "late.key", "a certificate in {folder}/late.pem expired on "),
        ("alone.pem", "alone.key", "{folder}/alone.pem cannot sign: the certificate is invalid"),
        ("aimless.pem", "aimless.key", "{folder}/aimless.pem cannot sign: the certificate is invalid"),
        ("strange.pem", "strange.key", "{folder}/strange.key is of a kind that C2PA does not know"),
    ],
)
def test_a_bad_certificate_is_said_before_a_model_is_asked_for(
    run_main: RunMain, authority: Authority, certificate: str, key: str, line: str
) -> None:
    folder = authority.folder
    authority.issue("studio")
    authority.issue("late", days=-1)
    authority.issue("alone", alone=True)
    authority.issue("aimless", purpose=False)
    authority.issue("strange", key_of("secp256k1"))
    options = ["--c2pa-cert", folder / certificate, "--c2pa-key", folder / key]
    done = run_main("image", "a cat", *NEVER, *options)
    assert done.code == 2
    assert done.stderr.splitlines()[0].startswith("genai: error: " + line.format(folder=folder))
    assert len(done.stderr.splitlines()) <= 2
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["text", "a cat"], "a .txt file cannot be signed"),
        (["audio", "rock", "-o", "rock.flac"], "a .flac file cannot be signed"),
        (["audio", "rock", "-o", "rock.mp3"], "a .mp3 file cannot be signed"),
    ],
)
def test_a_type_that_cannot_be_signed_is_refused(
    run_main: RunMain, studio: list[str], arguments: list[str], line: str
) -> None:
    done = run_main(*arguments, *NEVER, *studio)
    assert (done.code, done.stderr.splitlines()[0]) == (2, f"genai: error: {line}")
    assert run_main(*arguments, *NEVER, *studio[:2]).stderr == (
        "genai: error: --c2pa-cert and --c2pa-key go together\n"
    )


def test_without_the_extra_it_is_named(studio: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['c2pa'] = None; from genai_cli.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "image", "a cat", *NEVER, *studio],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        2,
        "genai: error: signing needs c2pa-python\nhint: pip install 'genai-cli[c2pa]'\n",
    )
