"""The options of a pipeline of diffusers that files can change: LoRAs, embeddings, a VAE, and weights in the prompt."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

from genai_cli.errors import InputError
from genai_cli.modality.diffusion.distilled import find_distilled
from genai_cli.modality.diffusion.request import DiffusionRequest
from genai_cli.modality.diffusion.weighted_prompts import find_lora_tags, parse_weighted
from genai_cli.request.adapter import SUFFIX, Adapter, Embedding, Lora, Vae
from genai_cli.request.option import Option
from genai_cli.request.request import ModelNeeds

ADAPTER = "FILE_OR_NAME"


@dataclass(frozen=True, kw_only=True)
class AdaptableRequest(DiffusionRequest):
    """A request to a pipeline that files can change."""

    lora: Annotated[
        tuple[Lora, ...],
        Option(
            "--lora",
            metavar=f"{ADAPTER}[=WEIGHT]",
            help="A LoRA: a .safetensors file, or OWNER/NAME[:FILE] of the hub; may be given several times.",
            extra=("peft", "lora"),
        ),
    ] = ()
    lora_dir: Annotated[
        Path | None,
        Option("--lora-dir", metavar="FOLDER", help="Where LoRAs lie that are named by a word alone.", recorded=False),
    ] = None
    embedding: Annotated[
        tuple[Embedding, ...],
        Option(
            "--embedding",
            metavar=f"{ADAPTER}[=WORD]",
            help="An embedding (textual inversion): its word gets a meaning; may be given several times.",
        ),
    ] = ()
    vae: Annotated[
        Vae | None,
        Option("--vae", metavar=ADAPTER, help="A VAE in place of the model's own: a file, a folder, or OWNER/NAME."),
    ] = None

    weights: Annotated[
        bool,
        Option(
            "--weights/--no-weights",
            help="Read (word:1.3), ((word)), [word], BREAK and <lora:name:0.8> in prompts, of any length.",
            omit_default=True,
        ),
    ] = False
    clip_skip: Annotated[
        int | None,
        Option(
            "--clip-skip",
            help="Which layer of the text encoder counts, from its end: 2 leaves out the last.",
            default="the model's own",
            low=1,
            high=12,
            omit_default=True,
        ),
    ] = None

    def needs(self) -> ModelNeeds:
        return super().needs()._replace(vae=self.vae)

    @classmethod
    def from_fields(cls, values: Mapping[str, object], folder: Path = Path()) -> Self:
        """A request from a row's fields; LoRAs that a word or the prompt names are looked up in their folder."""
        request = super().from_fields(values, folder)
        loras = tuple(find_in(lora, request.lora_dir) for lora in request.lora)
        if request.weights:
            for prompt in (request.prompt, request.negative_prompt):
                parse_weighted(prompt)
            loras = add_named(loras, request.prompt, request.lora_dir)
        return replace(request, lora=loras) if loras != request.lora else request

    def attach(self, known: Mapping[Adapter, Adapter]) -> Self:
        request = super().attach(known)
        return request.take_fast() if request.fast else request

    def take_fast(self) -> Self:
        """The request with what `fast` stands for: a LoRA for few steps needs settings of its own."""
        found = find_distilled(self.lora)
        if found is None:
            is_told = all(lora.tags is not None for lora in self.lora)
            return super().take_fast() if is_told else self  # `attach` knows the cards
        kind, guidance = found.kind, self.guidance_scale
        return replace(
            self,
            scheduler=self.scheduler or kind.scheduler,
            num_inference_steps=self.num_inference_steps or kind.steps,
            guidance_scale=kind.guidance if guidance is None else guidance,
        )

    def batch_key(self) -> tuple[object, ...]:
        # Weighted prompts have windows: another number of them beside an item would change it.
        windows = (self.prompt, self.negative_prompt) if self.weights else None
        return (*super().batch_key(), identify(self.lora), identify(self.embedding), self.clip_skip, windows)


def find_in(lora: Lora, folder: Path | None) -> Lora:
    """A LoRA that a word names, in the folder of LoRAs or one inside it. Raises InputError."""
    if not lora.is_bare:
        return lora
    if "/" in lora.wanted or "\\" in lora.wanted:
        raise InputError(f"{lora.wanted!r} is not the name of a LoRA", hint="a word alone: <lora:name:0.8>")
    if folder is None:
        raise InputError(
            f"there is no LoRA file {lora.wanted!r}", hint=f"--lora-dir FOLDER says where {lora.wanted}{SUFFIX} lies"
        )
    wanted = lora.wanted.removesuffix(SUFFIX).lower()
    files = sorted(path for path in folder.expanduser().rglob(f"*{SUFFIX}") if path.is_file())
    found = [path for path in files if path.stem.lower() == wanted]
    if not found:
        raise InputError(f"there is no LoRA {lora.wanted!r} in {folder}", hint=list_near(lora.wanted, files))
    return Lora.locate(str(found[0]), {"weight": lora.weight}, Path())


def add_named(loras: tuple[Lora, ...], prompt: str, folder: Path | None) -> tuple[Lora, ...]:
    """The LoRAs, with those that a prompt names and that are not among them. Raises InputError."""
    given = {Path(lora.name.rpartition(":")[2]).stem.lower() for lora in loras}
    found = [*loras]
    for tag in find_lora_tags(prompt):
        if tag.name.lower() not in given:
            found.append(find_in(Lora(wanted=tag.name, name=tag.name, weight=tag.weight), folder))
    return tuple(found)


def list_near(name: str, files: list[Path]) -> str:
    """What a folder of LoRAs holds that is called nearly so."""
    from genai_cli.errors import nearest

    names = [path.stem for path in files]
    return nearest(name, names) or (f"it has {', '.join(names[:5])}" if names else "it holds no .safetensors file")


def identify(adapters: tuple[Adapter, ...]) -> tuple[object, ...]:
    """What of adapters decides which results can be made at once."""
    return tuple(tuple(sorted(adapter.identity().items())) for adapter in adapters)
