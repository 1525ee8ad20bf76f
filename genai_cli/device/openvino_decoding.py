"""Texts whose tokens OpenVINO makes. Imported without OpenVINO and torch, which are loaded with a model."""

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from genai_cli.device.compilers import OPENVINO
from genai_cli.device.compiling import Uncompiled
from genai_cli.device.failures import first_line
from genai_cli.device.mapped import give_back_weights
from genai_cli.device.memory import describe_shortage
from genai_cli.device.placement import Placement
from genai_cli.events import Detail, Emit
from genai_cli.hub.fetching import ModelFiles

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache, PreTrainedModel
    from transformers.modeling_outputs import CausalLMOutputWithPast

    from genai_cli.device.openvino_network import KeptPlace
    from genai_cli.device.openvino_text import DecodingNetwork

PART = "text model"


class OpenVinoDecoding:
    """The call of a causal model in transformers' `generate`, made by OpenVINO."""

    compiler = OPENVINO
    active = True
    failure = None

    def __init__(self, model: "PreTrainedModel", network: "DecodingNetwork") -> None:
        """Put itself in the place of the model's call."""
        self.network = network
        self.told = False
        functools.update_wrapper(self, model.forward)  # `generate` reads from its parameters what the model takes
        model.forward = self

    def begin(self, emit: Emit) -> None:
        """Begin texts, which know nothing of those before."""
        if not self.told:
            how = "converted and kept" if self.network.is_new else "read from what was kept"
            emit(Detail(f"openvino: the {PART} was {how} in {self.network.place.folder}"))
            self.told = True
        self.network.reset()

    def __call__(
        self,
        *,
        input_ids: "Tensor",
        past_key_values: "Cache",
        attention_mask: "Tensor | None" = None,
        position_ids: "Tensor | None" = None,
        **_: object,
    ) -> "CausalLMOutputWithPast":
        """The scores (texts, 1, words) of what follows new tokens (texts, length).

        `generate` learns from its cache how many tokens were read, and nothing else is in there.
        """
        from transformers.modeling_outputs import CausalLMOutputWithPast

        if attention_mask is None:  # it hides nothing
            length = past_key_values.get_seq_length() + input_ids.shape[1]
            attention_mask = input_ids.new_ones(len(input_ids), length)
        scores = self.network(input_ids, attention_mask, position_ids)
        counted = scores.new_zeros(len(input_ids), 1, input_ids.shape[1], 1)
        past_key_values.update(counted, counted, 0)
        return CausalLMOutputWithPast(logits=scores, past_key_values=past_key_values)


def load_decoding(
    class_name: str, files: ModelFiles, placement: Placement
) -> "tuple[PreTrainedModel, OpenVinoDecoding | Uncompiled]":
    """A causal model that OpenVINO answers for, without weights where its network is kept.

    Where OpenVINO cannot answer it is torch's, and the second part says why.
    """
    from genai_cli.device.loading import load_model, load_shell
    from genai_cli.device.openvino_text import DecodingNetwork, find_place

    place = find_place(files, PART, placement)
    network = DecodingNetwork.read(place, placement)
    if network is not None:
        model = load_shell(class_name, files, placement)
        return model, OpenVinoDecoding(model, network)
    # OpenVINO makes small weights of float32 ones.
    whole = replace(placement, quantize=None, dtype="float32" if placement.quantize else placement.dtype)
    model = load_model(class_name, files, whole)
    made = convert_decoding(model, place, placement)
    if isinstance(made, Uncompiled) and placement.quantize:
        model = load_model(class_name, files, placement)
    return model, made


def convert_decoding(
    model: "PreTrainedModel", place: "KeptPlace", placement: Placement
) -> "OpenVinoDecoding | Uncompiled":
    """Convert a model and keep the network, if its scores are torch's but for rounding."""
    from genai_cli.device.openvino_text import DecodingNetwork, is_like_torch

    try:
        network = DecodingNetwork.convert(model, place, placement)
        is_close = is_like_torch(network, model, placement)
    except Exception as error:  # whatever OpenVINO cannot do, torch can
        if describe_shortage(error) is not None:
            raise
        return Uncompiled(OPENVINO, f"{PART}: {type(error).__name__}: {first_line(error)}")
    finally:
        give_back_weights(model)
    if not is_close:
        return Uncompiled(OPENVINO, f"{PART}: OpenVINO gives other scores than torch")
    network.note_checked()
    return OpenVinoDecoding(model, network)
