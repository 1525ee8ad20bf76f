"""What goes wrong with the hub, in words that a user can act on."""

from genai_cli.errors import GenaiError, ModelError, NetworkError
from genai_cli.model.client import TRUST_VARIABLE, may_have_token
from genai_cli.model.names import ModelReference


def prefixed(error: GenaiError, reference: ModelReference) -> GenaiError:
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


def hub_failure(error: Exception, reference: ModelReference) -> GenaiError:
    """What a failed request means for the user, by the library's error types; any other error is raised as it is."""
    from huggingface_hub import errors

    if isinstance(error, GenaiError):
        return error
    if is_storage_service(error):
        return NetworkError(f"the hub's storage service failed: {error}", hint="HF_HUB_DISABLE_XET=1 does without it")
    if not isinstance(error, OSError | errors.HTTPError):
        raise error

    name, log_in = reference.id, how_to_log_in()
    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            f"{name} is gated: its owner gives access on request", hint=f"ask for access on its page; {log_in}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError(
            f"{name} has no revision {reference.revision!r}", hint="name a branch, a tag or a commit of it"
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
            f"{name} could not be stored in the cache: {error.strerror}", hint="HF_HOME names another place"
        )
    return NetworkError(f"the hub is not reachable ({type(error).__name__})", hint="--offline uses what is cached")


def how_to_log_in() -> str:
    """How the hub comes to know the user; a token is not sent to an endpoint that nobody named as trusted."""
    from huggingface_hub import constants

    login = "log in: hf auth login (or set HF_TOKEN)"
    if may_have_token(constants.ENDPOINT):
        return login
    return f"{login}, and let {constants.ENDPOINT} have the token: {TRUST_VARIABLE}={constants.ENDPOINT}"


def is_storage_service(error: Exception) -> bool:
    """Whether an error is of the library that fetches large files from the hub's storage service (Xet)."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "xet_get":
            return not isinstance(error, OSError)
        trace = trace.tb_next
    return False
