"""Calls of a pipeline's networks that OpenVINO answers, and torch where OpenVINO cannot or may not."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from genai_cli.device.call_form import CallForm, UnsuitableCall
from genai_cli.device.compilers import OPENVINO
from genai_cli.device.failures import first_line
from genai_cli.device.mapped import give_back_weights
from genai_cli.device.memory import describe_shortage
from genai_cli.device.private import has_hooks
from genai_cli.events import Detail, Emit, Stage, ignore
from genai_cli.hub.fetching import ModelFiles

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline
    from torch import nn

    from genai_cli.device.openvino_network import Network


class OpenVinoCall:
    """The call of a module, made by OpenVINO. Where that fails it stays torch's, and `failure` says why."""

    def __init__(self, part: str, module: "nn.Module", files: ModelFiles) -> None:
        """Put itself in the place of the module's call; `part` names the module in what is said of it."""
        self.part = part
        self.module = module
        self.files = files
        self.plain: Callable[..., object] = module.forward
        self.dtype = next(module.parameters()).dtype
        self.networks: dict[str, Network] = {}
        """The networks by the form of the calls that they take."""
        self.unlike: set[str] = set()
        """The shapes of tensors for which a network gives something else than torch."""
        self.refusal: str | None = None
        """Why the present run may not use OpenVINO."""
        self.failure: str | None = None
        """Why calls of the present run were not made by OpenVINO."""
        self.broken = False
        self.emit: Emit = ignore
        functools.update_wrapper(self, self.plain)
        module.forward = self

    def begin(self, refusal: str | None, emit: Emit) -> None:
        """Begin a run, in which OpenVINO may not be used where there is a `refusal`."""
        self.refusal, self.emit = refusal, emit
        if not self.broken:
            self.failure = None

    def __call__(self, *arguments: object, **named: object) -> object:
        """What the call gives."""
        if not self.broken:
            try:
                return self.run(arguments, named)
            except UnsuitableCall as reason:
                self.failure = f"{self.part}: {reason}"
            except Exception as error:  # one that is not OpenVINO's fault is raised again by the plain call
                if describe_shortage(error) is not None:
                    raise
                self.broken = True
                self.networks = {}
                self.failure = f"{self.part}: {type(error).__name__}: {first_line(error)}"
        return self.plain(*arguments, **named)

    def run(self, arguments: tuple[object, ...], named: dict[str, object]) -> object:
        """What OpenVINO gives. Raises UnsuitableCall for a call that is torch's."""
        if self.refusal is not None:
            raise UnsuitableCall(self.refusal)
        if next(self.module.parameters()).dtype != self.dtype:
            raise UnsuitableCall(f"it is not in {self.dtype}")
        if has_hooks(self.module):
            raise UnsuitableCall("hooks are on its layers")
        form, tensors = CallForm.take(arguments, named)
        shapes = ", ".join("x".join(map(str, tensor.shape)) for tensor in tensors)
        if (case := f"{form} {shapes}") in self.unlike:
            raise UnsuitableCall(f"OpenVINO gives another result for {shapes}")
        network = self.open_network(form, tensors)
        made = network(tensors)
        if shapes not in network.checked:
            wanted = self.plain(*arguments, **named)
            is_close = network.is_close(made, wanted)
            give_back_weights(self.module)
            if not is_close and not network.is_new:  # what is kept may be damaged
                network = self.networks[str(form)] = self.make_network(form, tensors, anew=True)
                made = network(tensors)
                is_close = network.is_close(made, wanted)
            if not is_close:
                self.unlike.add(case)
                raise UnsuitableCall(f"OpenVINO gives another result for {shapes}")
            network.note_checked(shapes)
        return made

    def open_network(self, form: CallForm, tensors: "list[torch.Tensor]") -> "Network":
        """The network for calls of a form."""
        network = self.networks.get(str(form))
        if network is None:
            network = self.networks[str(form)] = self.make_network(form, tensors)
        return network

    def make_network(self, form: CallForm, tensors: "list[torch.Tensor]", *, anew: bool = False) -> "Network":
        """Read or convert the network."""
        from genai_cli.device.openvino_network import KeptPlace, Network

        place = KeptPlace.find(self.files, self.part, str(self.dtype).removeprefix("torch."), form)
        if anew:
            place.remove()
        self.emit(Stage(f"{'reading' if place.exists() else 'converting'} the {self.part} for OpenVINO..."))
        network = Network(self.module, form, place, tensors)
        give_back_weights(self.module)
        how = "converted and kept" if network.is_new else "read from what was kept"
        self.emit(Detail(f"openvino: the {self.part} was {how} in {place.folder}"))
        return network


class OpenVinoPipeline:
    """The networks of a pipeline that OpenVINO runs: the one of each step, and the decoder of the VAE."""

    compiler = OPENVINO

    def __init__(self, pipeline: "DiffusionPipeline", files: ModelFiles) -> None:
        names = ("unet", "transformer")
        denoiser = next((name for name in names if getattr(pipeline, name, None) is not None), None)
        self.calls = [OpenVinoCall(denoiser, getattr(pipeline, denoiser), files)] if denoiser else []
        decoder = getattr(getattr(pipeline, "vae", None), "decoder", None)
        if decoder is not None:
            self.calls.append(OpenVinoCall("vae decoder", decoder, files))

    def begin(self, refusal: str | None, emit: Emit) -> None:
        """Begin a run, in which the network of each step is torch's where there is a `refusal`."""
        for call in self.calls:
            call.begin(refusal if call is self.calls[0] else None, emit)

    @property
    def failure(self) -> str | None:
        """Why a network of the present run was not OpenVINO's."""
        return next((call.failure for call in self.calls if call.failure), None)

    @property
    def active(self) -> bool:
        """Whether the network of each step was OpenVINO's in the present run."""
        return bool(self.calls) and self.calls[0].failure is None
