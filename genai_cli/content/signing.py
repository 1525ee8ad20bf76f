"""C2PA manifests: files signed with the user's certificate, and what a signed file says of its signer.

Nothing here goes over the network: no time stamps, no remote manifests, no revocation lists.
"""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli import __version__
from genai_cli.content.content import SIGNED_TYPES
from genai_cli.content.record import GENERATED
from genai_cli.errors import InputError, OutputError
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

MAX_PEM = 1_000_000  # bytes
SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},  # would be ten times the manifest
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
PROFILE = "it must be issued by an authority (not self-signed), for e-mail protection or document signing"


@dataclass(frozen=True)
class Signer:
    """A certificate chain and its private key, as PEM; the key shows in no text."""

    chain: bytes
    key: bytes = field(repr=False)
    algorithm: str

    def sign(self, data: bytes, suffix: str, title: str, mark: str, inputs: Iterable[Input] = ()) -> bytes:
        """The file with a manifest: created by genai, from a source of the IPTC type `mark`. Raises OutputError.

        The pictures and sounds that it was made from are its ingredients, with their own manifests if they have them.
        """
        import c2pa

        source, signed = io.BytesIO(data), io.BytesIO()
        information = c2pa.C2paSignerInfo(self.algorithm, self.chain, self.key, None)
        try:
            with (
                c2pa.Context.from_dict(SETTINGS) as context,
                c2pa.Signer.from_info(information) as signer,
                c2pa.Builder(build_manifest(title, mark), context) as builder,
            ):
                for one in inputs:
                    if one.media_type in c2pa.Builder.get_supported_mime_types():
                        with one.open() as stream:
                            builder.add_ingredient(describe_input(one), one.media_type, stream)
                builder.sign(signer, SIGNED_TYPES[suffix], source, signed)
        except c2pa.C2paError as error:
            raise OutputError(f"the file cannot be signed: {read_reason(error)}") from None
        except InputError as error:
            raise OutputError(f"the file cannot be signed: {error.message}") from None
        return signed.getvalue()


def build_manifest(title: str, mark: str) -> JsonObject:
    """What a signed file states about how it was made (C2PA 2.2, section 18.15: actions)."""
    agent = {"name": "genai", "version": __version__}
    created = {"action": "c2pa.created", "digitalSourceType": mark, "softwareAgent": agent}
    return {
        "claim_generator_info": [agent],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }


def describe_input(source: Input) -> JsonObject:
    """A file that a model took, as an ingredient (C2PA 2.2, section 10.3: inputTo)."""
    return {"title": source.name, "format": source.media_type, "relationship": "inputTo"}


def load_signer(certificate: Path, key: Path) -> Signer:
    """A signer that works, tried on a small picture. Raises InputError for files that do not work or do not match."""
    try:
        import c2pa  # noqa: F401
        from cryptography import x509
    except ImportError:
        raise InputError("signing needs c2pa-python", hint="pip install 'genai-cli[c2pa]'") from None
    chain = read_pem(certificate)
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise InputError(f"{certificate} holds no certificates (PEM)") from None
    private = load_key(key)
    check_dates(certificates, certificate)
    if certificates[0].public_key() != private.public_key():
        raise InputError(
            f"{key} is not the key of the first certificate in {certificate}",
            hint="the chain begins with the signer's own certificate",
        )
    signer = Signer(chain, encode_key(private), select_algorithm(private, key))
    try:
        signer.sign(make_smallest_picture(), ".png", "trial", GENERATED)
    except OutputError as error:
        raise InputError(f"{certificate} cannot sign: {error.message.rpartition(': ')[2]}", hint=PROFILE) from None
    return signer


def read_pem(path: Path) -> bytes:
    """A small file of the user's. Raises InputError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_PEM + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_PEM:
        raise InputError(f"{path} is too large for certificates or a key")
    return data


def load_key(path: Path) -> "PrivateKeyTypes":
    """A private key from PEM. Raises InputError; no error shows any of it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = read_pem(path)
    try:
        return load_pem_private_key(data, password=None)
    except TypeError:
        raise InputError(
            f"{path} is locked with a password", hint="openssl pkey -in KEY -out UNLOCKED gives one without"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(f"{path} holds no private key (PEM)") from None


def check_dates(certificates: "list[x509.Certificate]", path: Path) -> None:
    """Raise InputError where a certificate of the chain is past, or not yet valid."""
    now = datetime.now(UTC)
    for certificate in certificates:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now > end:
            raise InputError(f"a certificate in {path} expired on {end:%Y-%m-%d}")
        if now < begin:
            raise InputError(f"a certificate in {path} is not valid before {begin:%Y-%m-%d}")


def select_algorithm(key: "PrivateKeyTypes", path: Path) -> str:
    """The signing algorithm of a key, as C2PA names it. Raises InputError."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in curves:
        return curves[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise InputError(f"{path} is of a kind that C2PA does not know", hint="P-256, P-384, P-521, Ed25519 or RSA")


def encode_key(key: "PrivateKeyTypes") -> bytes:
    """A private key in the one form of PEM that c2pa reads."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def make_smallest_picture() -> bytes:
    """A PNG of one pixel."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    return stream.getvalue()


def read_reason(error: Exception) -> str:
    """What c2pa says, without the name of its own type of error."""
    return str(error).partition(": ")[2] or str(error)


def read_signature(path: Path) -> dict[str, str] | None:
    """Who signed a file and whether it is as it was then; None where it is not signed, or c2pa-python is not installed.

    It does not ask whether the signer is to be trusted: genai has no list of authorities.
    """
    if path.suffix.lower() not in SIGNED_TYPES:
        return None
    try:
        import c2pa
    except ImportError:
        return None
    try:
        with path.open("rb") as stream, c2pa.Context.from_dict(SETTINGS) as context:
            reader = c2pa.Reader.try_create(SIGNED_TYPES[path.suffix.lower()], stream, context=context)
            if reader is None:
                return None
            with reader:
                return read_manifest(json.loads(reader.json()))
    except c2pa.C2paError as error:
        return {"state": f"broken: {read_reason(error)}"}


def read_manifest(store: JsonObject) -> dict[str, str]:
    """The signer and the state of the active manifest in a store, as c2pa reports it."""
    whole = store.get("validation_state") in ("Valid", "Trusted")
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    signature = manifest.get("signature_info", {})
    names = {"by": signature.get("common_name"), "issuer": signature.get("issuer"), "time": signature.get("time")}
    state = "whole" if whole else "broken: the file was changed after it was signed"
    return {"state": state, **{name: str(value) for name, value in names.items() if value}}
