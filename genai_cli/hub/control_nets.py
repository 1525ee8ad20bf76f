"""The ControlNets that canny, depth and pose stand for: which one, depends on the model that they guide."""

from dataclasses import replace

from genai_cli.errors import GenaiError, InputError
from genai_cli.events import Emit
from genai_cli.hub.access import Access
from genai_cli.hub.catalog import Catalog
from genai_cli.hub.client import allow_requests
from genai_cli.hub.download import Repository
from genai_cli.hub.failures import explain_failure, not_cached
from genai_cli.hub.fetching import is_offline, resolve
from genai_cli.hub.names import parse_name
from genai_cli.hub.reference import BUILT_IN, ModelReference
from genai_cli.hub.single_file import LAYOUTS, describe
from genai_cli.hub.storage import locate_snapshot, read_json
from genai_cli.request.control import CANNY, DEPTH, POSE, Control

# By the width of the text that the base model reads (cross_attention_dim of its UNet): Stable Diffusion 1.x, and XL.
KNOWN = {
    768: {
        CANNY: "lllyasviel/control_v11p_sd15_canny",
        DEPTH: "lllyasviel/control_v11f1p_sd15_depth",
        POSE: "lllyasviel/control_v11p_sd15_openpose",
    },
    2048: {
        CANNY: "diffusers/controlnet-canny-sdxl-1.0",
        DEPTH: "diffusers/controlnet-depth-sdxl-1.0",
        POSE: "xinsir/controlnet-openpose-sdxl-1.0",
    },
}
UNET = "unet/config.json"


def name_control_net(control: Control, access: Access, catalog: Catalog, emit: Emit) -> Control:
    """A ControlNet that a kind stands for, with its repository. Raises InputError where genai knows none for the model.

    Raises ModelError and NetworkError where the model's configuration is not at hand.
    """
    width = None if control.base == BUILT_IN else read_text_width(control.base, access, catalog, emit)
    repository = KNOWN.get(width or 0, {}).get(control.wanted)
    if repository is None:
        raise InputError(
            f"genai does not know a ControlNet {control.wanted} for {control.base}",
            hint=f"it knows those of Stable Diffusion 1.x and XL; --control {control.wanted}:OWNER/NAME=FILE names one",
        )
    return replace(control, wanted=repository, name=repository, base="")


def read_text_width(name: str, access: Access, catalog: Catalog, emit: Emit) -> int | None:
    """How many features the text has that a model's UNet reads; None for a model without a UNet."""
    reference = parse_name(name, None, catalog)
    if reference.server is not None:
        raise InputError("a server takes no --control", hint="leave it out")
    if reference.file is not None:
        folder = LAYOUTS / describe(reference.file).layout
    elif reference.folder is not None:
        folder = reference.folder
    else:
        reference = resolve(reference, access.offline, emit)
        folder = locate_snapshot(reference)
        if not (folder / UNET).is_file() and not fetch_configuration(reference, access, emit):
            return None
    if not (folder / UNET).is_file():
        return None
    width = read_json(folder, UNET).get("cross_attention_dim")
    return width if isinstance(width, int) else None


def fetch_configuration(reference: ModelReference, access: Access, emit: Emit) -> bool:
    """Fetch the configuration of a UNet alone. False where the repository has none."""
    if is_offline(access.offline):
        raise not_cached(reference)
    try:
        with allow_requests(emit):
            listed = Repository(reference)
            if UNET not in listed.sizes:
                return False
            listed.read(UNET)
    except Exception as error:
        raise explain_failure(error, reference) from (None if isinstance(error, GenaiError) else error)
    return True
