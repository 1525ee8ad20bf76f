"""Vectors for texts and pictures, and the nearest of them, with sentence encoders, CLIP and SigLIP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.content.content import Content
from genai_cli.content.openai_answers import EMBEDDINGS, answer_embeddings, read_embedding
from genai_cli.content.vectors import BASE64, FLOAT, ROWS, Collection, Vector, read_values
from genai_cli.device.workload import Work
from genai_cli.errors import GenaiError, InputError
from genai_cli.events import Emit, Notice, tag_item
from genai_cli.hub.catalog import ModelKind
from genai_cli.hub.reference import BUILT_IN
from genai_cli.hub.storage import read_json
from genai_cli.modality.encoding.modules import MODULES, POOLING
from genai_cli.modality.encoding.sentences import NO_PROMPT, Encoded, SentenceEncoder
from genai_cli.modality.encoding.towers import TWO_TOWERS, Towers
from genai_cli.modality.known_models import VECTORS
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.modality.service import Call, Service
from genai_cli.request.input import Input
from genai_cli.request.openai_rows import Endpoint
from genai_cli.request.option import Option
from genai_cli.request.request import PROMPT, Request
from genai_cli.request.seeing import TextOrPictureRequest
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

MOST_INPUTS = 2048  # of one request to a server, as at OpenAI's
FIRST_LINE = 1_000_000  # bytes that are read of a file of vectors to find its model


@dataclass(frozen=True, kw_only=True)
class EmbedRequest(TextOrPictureRequest):
    """A text or a picture to be a vector; with `near`, the query of a search in `within`."""

    task: ClassVar[str] = "embed"
    default_model: ClassVar[str] = "minilm"

    dimensions: Annotated[
        int | None,
        Option(
            "--dimensions",
            help="Keep the first so many numbers of each vector, and normalise it again.",
            default="all",
            low=1,
            high=1_000_000,
            omit_default=True,
        ),
    ] = None
    prompt_name: Annotated[
        str | None,
        Option(
            "--prompt-name",
            metavar="NAME",
            help=f"Which of the model's own prompts comes before a text: query, document, ...; {NO_PROMPT}: no one.",
            default="the model's own",
            omit_default=True,
        ),
    ] = None
    pooling: Annotated[
        str | None,
        Option(
            "--pooling",
            help="How the vectors of the tokens become one.",
            default="what the model's files state, or mean",
            choices=POOLING,
            omit_default=True,
        ),
    ] = None
    normalize: Annotated[
        bool | None,
        Option(
            "--normalize/--no-normalize",
            help="Give each vector the length 1.",
            default="what the model's files state",
            omit_default=True,
        ),
    ] = None
    encoding_format: Annotated[
        str,
        Option(
            "--encoding-format",
            help="How vectors stand in JSON: as numbers, or float32 in base64, which is half as long.",
            choices=(FLOAT, BASE64),
            omit_default=True,
        ),
    ] = FLOAT
    near: Annotated[
        bool,
        Option("--near", help="Find what is nearest to each argument among the vectors in --in.", omit_default=True),
    ] = False
    within: Annotated[
        Input | None,
        Option("--in", metavar="FILE", help="The vectors to search: .npy or .jsonl, as -o wrote it."),
    ] = None
    rows: Input | None = None
    top: Annotated[
        int, Option("--top", help="With --near, how many to show.", low=1, high=1_000_000, omit_default=True)
    ] = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.near and self.within is None:
            raise InputError("--near needs vectors to search", hint="--in vectors.npy names them")
        if self.within is not None and not self.near:
            raise InputError("--in names vectors to search, and nothing is searched", hint='--near "QUERY" --in FILE')
        if self.within is not None and self.rows is None:
            beside = self.within.path.with_name(f"{self.within.path.name}{ROWS}")
            if self.within.data is None and beside.is_file():
                object.__setattr__(self, "rows", Input.read(beside, beside.name))

    @classmethod
    def choose_model(cls, values: Mapping[str, object], folder: Path) -> str:
        """The model that made the vectors to search; else one for pictures, or for texts."""
        within = values.get("within", values.get("in"))
        made_by = find_maker(folder / Path(within).expanduser()) if isinstance(within, str) and within else None
        if isinstance(within, Input):
            made_by = find_maker(within.path)
        return made_by or ("clip" if values.get("picture") else cls.default_model)


def find_maker(file: Path) -> str | None:
    """The model at its commit that made the vectors in a file, as the lines in it or beside it say; None if not."""
    for place in (file.with_name(f"{file.name}{ROWS}"), file):
        try:
            with place.open("rb") as stream:
                record = json.loads(stream.readline(FIRST_LINE))
            model = record["model"]
            name, revision = model["id"], model["revision"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue
        if isinstance(name, str) and name:
            return f"{name}@{revision}" if isinstance(revision, str) and name != BUILT_IN else name
    return None


def read_inputs(body: JsonObject) -> list[JsonObject]:
    """The texts of a body: one, or a list of them. Raises InputError."""
    stated = body.get("input")
    texts = [stated] if isinstance(stated, str) else stated
    if isinstance(texts, list) and any(isinstance(part, int | list) for part in texts):
        what = "input holds tokens, whose numbers mean something to one model alone"
        raise InputError(what, hint="send the texts themselves (LangChain: check_embedding_ctx_length=False)")
    if not (isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)):
        raise InputError("input must be a text or a list of texts")
    return [{PROMPT: text} for text in texts]


def build_call(content: JsonObject, values: JsonObject) -> Call:
    """One text for a server. Raises InputError for a picture."""
    if PROMPT not in content:
        raise InputError("a server's API takes texts and no pictures", hint="run a model on this machine")
    options = SERVICE.name_options(values)
    return Call("embeddings", {"input": content[PROMPT], "encoding_format": FLOAT, **options}, values)


def read_answer(call: Call, answer: JsonObject, emit: Emit) -> Vector:
    """The vector. Raises ModelError."""
    del emit
    stated, tokens = read_embedding(answer)
    return Vector(read_values(stated), str(call.parameters.get("encoding_format", FLOAT)), tokens)


SERVICE = Service(
    names={"dimensions": "dimensions"},
    others=frozenset({"encoding_format", "seed"}),
    build=build_call,
    read=read_answer,
)


class Embed(Modality[EmbedRequest]):
    """A sentence encoder, or two encoders of one space for texts and pictures."""

    request: ClassVar[type[Request]] = EmbedRequest
    content: ClassVar[type[Content]] = Vector
    models: ClassVar[ModelKind] = ModelKind(
        task="embed",
        words="a model that makes vectors",
        library="transformers",
        class_suffixes=(
            *("BertModel", "MPNetModel", "RobertaModel", "CamembertModel", "AlbertModel", "ElectraModel"),
            *("DebertaV2Model", "T5EncoderModel", "Qwen2Model", "Qwen3Model", "MistralModel", "LlamaModel"),
            *TWO_TOWERS,
        ),
        marker=MODULES,
        mapping="TEXT_ENCODING",
        known=VECTORS,
        built_in=TINY / "embed",
    )
    work: ClassVar[Work | None] = Work.READING
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    example: ClassVar[str] = "genai embed --prompts texts.txt -o vectors.npy"
    argument: ClassVar[str] = "The texts; with --picture, pictures; with --near, what to look for"
    draws: ClassVar[bool] = False
    mark: ClassVar[str | None] = None
    batch_sizes: ClassVar[Mapping[str, int]] = {"cpu": 64, "cuda": 256, "mps": 64}
    chunk_sizes: ClassVar[tuple[int, int]] = (64, 512)
    service: ClassVar[Service | None] = SERVICE
    endpoints: ClassVar[tuple[Endpoint, ...]] = (
        Endpoint(
            "/v1/embeddings",
            names={"dimensions": "dimensions", "encoding_format": "encoding_format"},
            read=read_inputs,
            answer=answer_embeddings,
            ignored=frozenset({"input"}),
            takes={
                "input": {
                    "anyOf": [
                        {"type": "string", "minLength": 1},
                        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
                    ]
                }
            },
            gives=EMBEDDINGS,
            most=MOST_INPUTS,
        ),
    )

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the encoder. Raises ModelError, RefusedError."""
        self.name = files.reference.id
        self.sentences = None if is_two_towers(files.folder) else SentenceEncoder(files, placement)
        self.towers = Towers(files, placement) if self.sentences is None else None
        self.searched: tuple[tuple[Input | None, Input | None], Collection] | None = None

    @classmethod
    def check(cls, folder: Path, request: EmbedRequest) -> None:
        """Raise InputError for what the model does not take."""
        if is_two_towers(folder):
            for value, option in ((request.prompt_name, "--prompt-name"), (request.pooling, "--pooling")):
                if value not in (None, NO_PROMPT):
                    raise InputError(f"{request.model} has no {option}", hint="sentence encoders have it")
        elif request.picture is not None:
            raise InputError(f"{request.model} reads texts and no pictures", hint="-m clip reads both")

    def generate(self, requests: Sequence[EmbedRequest], emit: Emit) -> list[Result | GenaiError]:
        """A vector for each request, or what is near to it."""
        results: list[Result | GenaiError] = []
        for place, (request, made) in enumerate(zip(requests, self.encode(requests, emit), strict=True)):
            if isinstance(made, GenaiError):
                results.append(made)
                continue
            if made.is_cut:
                words = f"a text is longer than the model reads: {made.tokens} tokens are read, and the rest is not"
                tag_item(emit, place)(Notice(words))
            try:
                results.append(self.build_result(request, made, emit))
            except GenaiError as error:
                results.append(error)
        return results

    def encode(self, requests: Sequence[EmbedRequest], emit: Emit) -> Sequence[Encoded | GenaiError]:
        """The vectors as the model makes them. All requests are texts, or all are pictures."""
        if self.towers is not None:
            if requests[0].picture is None:
                return self.towers.encode([request.prompt for request in requests])
            return [self.encode_picture(self.towers, request.picture, emit, n) for n, request in enumerate(requests)]
        found: dict[int, Encoded | GenaiError] = {}
        alike: dict[str | None, list[int]] = {}
        for place, request in enumerate(requests):
            alike.setdefault(request.pooling, []).append(place)
        for pooling, places in alike.items():
            found |= self.encode_texts({place: requests[place] for place in places}, pooling, emit)
        return [found[place] for place in range(len(requests))]

    def encode_texts(
        self, requests: Mapping[int, EmbedRequest], pooling: str | None, emit: Emit
    ) -> dict[int, Encoded | GenaiError]:
        """The vectors of texts that are pooled in one way, by the places of their requests."""
        encoder = self.sentences
        if encoder is None:
            raise TypeError("the model has two towers")
        if pooling is None and not encoder.recipe.pooling:
            emit(Notice(f"the files of {self.name} state no pooling; the mean is taken (--pooling)", once=True))
        found: dict[int, Encoded | GenaiError] = {}
        prompts: dict[int, str | None] = {}
        for place, request in requests.items():
            try:
                prompts[place] = encoder.find_prompt(request.prompt_name, is_query=request.near)
            except InputError as error:
                found[place] = error
        if not prompts:
            return found
        texts = [requests[place].prompt for place in prompts]
        return found | dict(zip(prompts, encoder.encode(texts, list(prompts.values()), pooling), strict=True))

    def encode_picture(self, towers: Towers, picture: Input | None, emit: Emit, place: int) -> Encoded | GenaiError:
        """The vector of a picture, or why there is none."""
        try:
            (vector,) = towers.encode_pictures([picture] if picture is not None else [], tag_item(emit, place))
        except InputError as error:
            return error
        return Encoded(vector, 0)

    def build_result(self, request: EmbedRequest, made: Encoded, emit: Emit) -> Result:
        """The vector in the length that is asked for, or the rows that are near to it. Raises InputError."""
        encoder = self.sentences or self.towers
        normalizes = request.normalize
        if normalizes is None:
            normalizes = encoder is not None and encoder.normalizes
        vector = self.shorten(made.vector, request.dimensions, normalizes)
        tokens = made.tokens or None
        facts: JsonObject = {"truncated": True} if made.is_cut else {}
        parameters = {**request.parameters(), "normalize": normalizes}
        if self.sentences is not None:
            prompt = self.sentences.find_prompt(request.prompt_name, is_query=request.near)
            parameters["prompt_name"] = prompt or NO_PROMPT
        content = Vector(vector, request.encoding_format, tokens)
        if request.within is None:
            return Result(content, parameters, facts)
        content.check()
        collection = self.open_collection(request, emit)
        if collection.width != len(vector):
            what = f"{request.within.name} holds vectors of {collection.width} numbers"
            raise InputError(f"{what}, and this one has {len(vector)}", hint="-m names the model that made them")
        return Result(replace(content, nearest=collection.find_nearest(vector, request.top)), parameters, facts)

    def shorten(self, vector: "NDArray[np.float32]", dimensions: int | None, normalizes: bool) -> "NDArray[np.float32]":
        """The first numbers of a vector, of the length 1 if asked for. Raises InputError."""
        import numpy

        if dimensions is not None and dimensions > len(vector):
            raise InputError(f"--dimensions is {dimensions}, and a vector of {self.name} has {len(vector)}")
        kept = vector[:dimensions].astype(numpy.float32)
        length = numpy.sqrt(numpy.sum(kept.astype(numpy.float64) ** 2))
        return (kept / length).astype(numpy.float32) if normalizes and length > 0 else kept

    def open_collection(self, request: EmbedRequest, emit: Emit) -> Collection:
        """The vectors to search, kept for the next query. Raises InputError."""
        wanted = (request.within, request.rows)
        if self.searched is None or self.searched[0] != wanted:
            if request.within is None:
                raise TypeError("there is nothing to search")
            self.searched = (wanted, Collection.read(request.within, request.rows))
            maker = None if request.within.data is not None else find_maker(request.within.path)
            if maker is not None and maker.partition("@")[0] != self.name:
                emit(Notice(f"{request.within.name} was made by {maker}, and the query by {self.name}", once=True))
        return self.searched[1]


def is_two_towers(folder: Path) -> bool:
    """Whether a checkpoint has an encoder of texts and one of pictures."""
    architectures = read_json(folder, "config.json").get("architectures") or [""]
    return str(architectures[0]).endswith(TWO_TOWERS)
