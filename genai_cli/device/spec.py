"""What is to be loaded and where, as it was asked for."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

from genai_cli.device.compilers import COMPILERS, OPENVINO, TORCH, check_compiler, refuse_device
from genai_cli.device.placement import DTYPES, check_names
from genai_cli.hub.reference import ModelReference
from genai_cli.request.adapter import Vae
from genai_cli.request.made_in import MadeIn
from genai_cli.request.option import MODEL, Option


def complete_device(word: str) -> list[str]:
    """The devices that an unfinished word may mean. Which of them this machine has is not asked: that loads torch."""
    return [name for name in ("auto", "cuda", "cuda:0", "mps", "cpu") if name.startswith(word)]


@dataclass(frozen=True, kw_only=True)
class Placing:
    """Where and how a model is to run, as asked for: the options of the command line."""

    heading: ClassVar[str] = MODEL

    device: Annotated[str, Option("--device", help="auto, cuda, cuda:N, mps or cpu.", complete=complete_device)] = (
        "auto"
    )
    dtype: Annotated[str, Option("--dtype", help="auto, float32, float16 or bfloat16.", choices=DTYPES)] = "auto"
    variant: Annotated[
        str, Option("--variant", help="Weight files: auto (fp16 where complete), none (the plain ones), or a name.")
    ] = "auto"
    compile: Annotated[
        bool | None,
        Option(
            "--compile/--no-compile",
            help="Compile the model of pictures and texts.",
            default="on cuda, where it pays",
            needs="compiles",
        ),
    ] = None
    compiler: Annotated[
        str | None,
        Option(
            "--compiler",
            help="Compile with it: torch, or openvino on a CPU.",
            default="torch, where --compile says so",
            choices=COMPILERS,
            needs="compiles",
        ),
    ] = None
    earlier: MadeIn | None = None
    """How the result was made that is to be made again: `auto` then means the dtype of that time."""

    def __post_init__(self) -> None:
        check_names(self.device, self.dtype)
        if self.compile is not False:
            check_compiler(self.compiler, self.device)

    def choose_compiler(self, device: str) -> tuple[bool | None, str]:
        """Whether compiling on a device is asked for (None: nothing is), and with which compiler.

        To name one is to ask for it. What is made again has the compiler of that time on a device of the same kind.
        Raises InputError for a device that the compiler is not for.
        """
        if self.compile is False:
            return False, TORCH
        compiler, earlier = self.compiler, self.earlier
        if compiler == OPENVINO and device != "cpu":
            raise refuse_device(device)
        if compiler is None and self.compile is None and earlier and earlier.device.partition(":")[0] == device:
            compiler = earlier.compiler
        return (True, compiler) if compiler else (self.compile, TORCH)

    def follow(self, earlier: MadeIn | None) -> Self:
        """The same, for a result that was made before: what is not asked for is as it was then."""
        if earlier is None:
            return self
        return replace(
            self,
            variant=(earlier.variant or "none") if self.variant == "auto" else self.variant,
            earlier=earlier,
        )


@dataclass(frozen=True)
class ModelSpec:
    """What is loaded, whole: two equal specs are served by the same loaded model."""

    task: str
    reference: ModelReference
    unused: frozenset[str] = frozenset()
    """Components of the checkpoint that the run does without."""
    quantize: str | None = None
    placing: Placing = Placing()
    vae: Vae | None = None
    """The VAE that takes the place of the checkpoint's own.

    LoRAs and embeddings do not belong to a spec: a loaded model takes them up and gives them back between two results.
    """
