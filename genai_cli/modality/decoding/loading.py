"""The language model of a text, and what its calls are compiled with."""

from typing import TYPE_CHECKING

from genai_cli.device.compiling import Compiled, Uncompiled, compile_decoding
from genai_cli.device.openvino_decoding import load_decoding

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

CAUSAL, SEEING = "AutoModelForCausalLM", "AutoModelForImageTextToText"


def choose_class(architecture: str) -> str:
    """The auto class that loads a language model: one that sees may be no causal language model by itself."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as causal
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as seeing

    return SEEING if architecture in seeing.values() and architecture not in causal.values() else CAUSAL


def load_language_model(files: "ModelFiles", placement: "Placement") -> "tuple[PreTrainedModel, Compiled | None]":
    """A language model, and its compiled part where one was asked for."""
    from genai_cli.device.loading import load_model

    class_name = choose_class(files.architecture)
    if placement.compiled_by_openvino and class_name == CAUSAL:
        return load_decoding(class_name, files, placement)
    model = load_model(class_name, files, placement)
    if placement.compiled_by_openvino:
        return model, Uncompiled(placement.compiler, "it is not for models that see")
    return model, compile_decoding(model, placement.on_cuda) if placement.compiled_by_torch else None
