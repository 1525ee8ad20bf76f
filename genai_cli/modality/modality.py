"""What a modality is: one class, whose attributes are its facts and whose instance is a loaded model."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import genai_cli
from genai_cli.content.content import SIGNED_TYPES, Content
from genai_cli.content.record import GENERATED
from genai_cli.device.compile_decision import Times
from genai_cli.device.workload import Work
from genai_cli.errors import GenaiError
from genai_cli.events import Emit
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.service import Service
from genai_cli.request.openai_rows import Endpoint
from genai_cli.request.request import Request
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from genai_cli.device.compiling import Compiled
    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

TINY = Path(genai_cli.__file__).parent / "tiny"
"""The folder of the small models inside the package, one for each task."""

R = TypeVar("R", bound=Request)


@dataclass(frozen=True)
class Result:
    """What a model made of a request: the content, every option that shaped it, and what else a record says of it."""

    content: Content
    parameters: JsonObject
    facts: JsonObject = field(default_factory=dict)


class Modality(ABC, Generic[R]):
    """What a task needs. The class holds the facts of the task; an instance is a model that is loaded for it."""

    request: ClassVar[type[Request]]
    content: ClassVar[type[Content]]
    models: ClassVar[ModelKind]
    """Which models the task takes, and which it has by name."""
    libraries: ClassVar[tuple[str, ...]]
    """The libraries whose versions may change a result."""
    example: ClassVar[str]
    """A command to try."""
    argument: ClassVar[str] = "What to make"
    """What the command's arguments are."""
    draws: ClassVar[bool] = True
    """Whether chance takes part, so that a seed and several results of one prompt mean something."""
    streams: ClassVar[bool] = False
    """Whether a text is shown as it is made."""
    resumes: ClassVar[bool] = False
    """Whether files that are given as arguments, with a folder for the results, are a batch that the same command
    resumes."""
    takes_chapters: ClassVar[bool] = False
    """Whether a prompt may be as long as a chapter of a book."""
    streams_sound: ClassVar[bool] = False
    """Whether a sound can be heard as it is made."""
    overlaps: ClassVar[bool] = False
    """Whether results are encoded and written beside the model's next work on an accelerator."""
    mark: ClassVar[str | None] = GENERATED
    """The IPTC source type that marks a result as generated; None where a result is not generated media."""
    compile_times: ClassVar[Times | None] = None
    """A first estimate of what compiling takes and saves; None where nothing of the model is ever compiled."""
    work: ClassVar[Work | None] = None
    """What its models do most of the time; None where it is not known whether a result in bfloat16 is as good."""
    batch_sizes: ClassVar[Mapping[str, int]] = {"cpu": 1, "cuda": 1, "mps": 1}
    """How many items are made at once where the user names no number, by the device's name."""
    chunk_sizes: ClassVar[tuple[int, int]] = (1, 16)
    """How many items a worker of a cluster is given at once, on a processor and on a GPU."""
    endpoints: ClassVar[tuple[Endpoint, ...]] = ()
    """The addresses of OpenAI's API that the task answers."""
    service: ClassVar[Service | None] = None
    """How a server of that API makes a result; None where none does."""

    compiles: ClassVar[bool] = False
    signable: ClassVar[bool] = False
    packable: ClassVar[bool] = False
    previews: ClassVar[bool] = False
    """Whether a result is shown as it forms, where its request asks for that (`preview`)."""
    visible: ClassVar[bool] = False
    """Whether results are pictures or sounds, which a terminal may show."""
    audible: ClassVar[bool] = False
    converses: ClassVar[bool] = False
    """Whether it answers to a conversation."""
    companion_files: ClassVar[tuple[str, ...]] = ()
    """The configuration files from which `find_companions` tells what else a model needs."""
    joins_words: ClassVar[bool]
    """Whether an argument asks for something: several unquoted words are then one prompt, and a piped text goes with
    it. A class that does not say has it where its results are generated: a text to classify is not asked for."""

    compiled: "Compiled | None" = None
    """The compiled part of this model, where there is one."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.compiles = cls.compile_times is not None
        cls.signable = any(suffix in SIGNED_TYPES for suffix in cls.content.suffixes)
        cls.packable = cls.content.printed
        cls.visible = not cls.content.printed
        cls.audible = ".wav" in cls.content.suffixes
        if "joins_words" not in vars(cls):
            cls.joins_words = cls.mark is not None

    @abstractmethod
    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the model. Raises ModelError, DeviceError, or InputError for a model of another kind."""

    @abstractmethod
    def generate(self, requests: Sequence[R], emit: Emit) -> Sequence[Result | GenaiError]:
        """A result for each request, or why there is none. Their seeds are set and they share their `batch_key`."""

    @classmethod
    def check(cls, folder: Path, request: R) -> None:
        """Raise InputError for what the model in `folder` cannot do, told from its files before its weights load."""

    @classmethod
    def find_companions(cls, folder: Path) -> tuple[str, ...]:
        """The other repositories without which the model in `folder` makes no result: a vocoder, a codec."""
        del folder
        return ()

    def choose_batch_size(self, request: R, device: str, free_bytes: int) -> int:
        """How many items like this one to make at once on a device with so much free memory."""
        del request, free_bytes
        return self.batch_sizes[device.partition(":")[0]]

    @classmethod
    def limit_batch_size(cls, device: str) -> int | None:
        """The most items that may be made at once whatever is asked for; None: any number."""
        del device
        return None

    def save_memory(self, device: str) -> str | None:
        """Take the next step that makes an item need less memory, and say which; None where none is left."""
        del device
        return None
