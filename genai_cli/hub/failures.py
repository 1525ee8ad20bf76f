"""What goes wrong with the hub, in words that a user can act on."""

from genai_cli.errors import GenaiError, ModelError, NetworkError
from genai_cli.hub.environment import TRUST_VARIABLE, may_have_token
from genai_cli.hub.reference import ModelReference


def name_model(error: GenaiError, reference: ModelReference) -> GenaiError:
    """The error with a message that says which model it is about."""
    if reference.id in error.message:
        return error
    return type(error)(f"model {reference.id}: {error.message}", error.hint)


def not_cached(reference: ModelReference) -> ModelError:
    """The error for a model that is not on this machine while no request may be made."""
    return ModelError(
        f"{reference} is not in the cache, or not all of it, and genai is offline",
        hint=f"with a network: genai models pull {reference}; or -m tiny, which is built in",
    )


def explain_failure(error: Exception, reference: ModelReference) -> GenaiError:
    """What a failed request means for the user, by the type of the library's error.

    Raises the error itself if it is neither an OSError nor an error of the HTTP library.
    """
    from huggingface_hub import errors

    if isinstance(error, GenaiError):
        return error
    if not isinstance(error, OSError | errors.HTTPError):
        raise error

    name, log_in = reference.id, explain_login()
    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            f"{name} is gated: its owner gives access on request", hint=f"ask for access on its page; {log_in}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError(
            f"{name} has no revision {reference.revision!r}", hint="name one of its branches, tags or commits"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return ModelError(
            f"there is no model {name} on the hub, or it is private",
            hint=f"check the spelling of owner/name; for a private one {log_in}",
        )
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code if error.response is not None else "no"
        return NetworkError(f"the hub answered {status} for {name}", hint="try again later")
    if isinstance(error, OSError) and not isinstance(error, ConnectionError) and error.errno is not None:
        return ModelError(
            f"{name} could not be stored in the cache: {error.strerror}", hint="set HF_HOME to another folder"
        )
    return NetworkError(
        f"the hub is not reachable ({type(error).__name__})",
        hint="-m tiny is built in and needs no network; for others check the connection (HTTPS_PROXY names a proxy)",
    )


def explain_login() -> str:
    """How to log in to the hub. An endpoint gets a token only if the user trusts it by name."""
    from huggingface_hub import constants

    login = "log in: hf auth login (or set HF_TOKEN)"
    if may_have_token(constants.ENDPOINT):
        return login
    return f"{login}, and let {constants.ENDPOINT} have the token: {TRUST_VARIABLE}={constants.ENDPOINT}"
