"""What the hub's libraries read from the environment, and which address may have the user's token.

Meaning of the variables: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
"""

import os
from urllib.parse import urlsplit

from genai_cli.errors import InputError

HUB = "https://huggingface.co"
TRUST_VARIABLE = "GENAI_TRUST_ENDPOINT"


def prepare_hub_environment() -> None:
    """Set the variables that the libraries read when they are first imported.

    The program calls this once, at its start, before anything imports huggingface_hub, transformers or diffusers.
    Raises InputError for an address that the library could not be imported with.
    """
    # genai itself says what matters to a user.
    os.environ.setdefault("HF_HUB_VERBOSITY", "critical")
    # What a user runs is reported to nobody.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # No code and no compiled kernel comes from a repository, and no service is asked to convert weights.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
    os.environ["USE_HUB_KERNELS"] = "0"
    os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] = "1"
    endpoint = os.environ.get("HF_ENDPOINT") or HUB
    if "" in read_origin(endpoint):
        raise InputError(f"HF_ENDPOINT is not an address: {endpoint!r}", hint="https://HOST or https://HOST:PORT")
    if not may_have_token(endpoint):
        os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"
    if not is_hub(endpoint):
        # Another endpoint may repeat the hub's references to its storage service, but files come from the endpoint.
        os.environ["HF_HUB_DISABLE_XET"] = "1"


def read_origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address; an empty scheme and host of what is none."""
    try:
        parts = urlsplit(url)
        return parts.scheme, (parts.hostname or "").lower(), parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:  # a port that is not a number, a broken bracket
        return "", "", None


def is_hub(url: str) -> bool:
    """Whether an address is the hub itself, over TLS."""
    scheme, host, _ = read_origin(url)
    return scheme == "https" and (host in ("huggingface.co", "hf.co") or host.endswith(".huggingface.co"))


def may_have_token(url: str) -> bool:
    """Whether the token may be sent to an address: to the hub, or to the endpoint that the user trusts by name."""
    trusted = os.environ.get(TRUST_VARIABLE, "")
    return is_hub(url) or ("" not in read_origin(url) and read_origin(url) == read_origin(trusted))
