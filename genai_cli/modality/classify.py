"""Labels for texts and pictures: a classifier's own, or anyone's by models that judge what a text or a picture says."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.content.content import Content
from genai_cli.content.labels import Labels
from genai_cli.device.workload import Work
from genai_cli.errors import GenaiError, InputError, ResultError
from genai_cli.events import Emit, Notice, tag_item
from genai_cli.hub.catalog import ModelKind
from genai_cli.hub.storage import read_json
from genai_cli.modality.encoding.classifying import PictureClassifier, Scored, TextClassifier
from genai_cli.modality.encoding.inference import find_entailing
from genai_cli.modality.encoding.towers import TWO_TOWERS, Towers
from genai_cli.modality.known_models import LABELS
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.request.option import Option
from genai_cli.request.request import Request
from genai_cli.request.seeing import TextOrPictureRequest

if TYPE_CHECKING:
    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

OF_PICTURES = "ForImageClassification"
ABOUT_TEXTS, ABOUT_PICTURES = "This text is about {}.", "This is a photo of {}."
MOST_LABELS = 1000


@dataclass(frozen=True, kw_only=True)
class ClassifyRequest(TextOrPictureRequest):
    """One text or picture to classify; `top` is how many labels to keep, all with 0."""

    task: ClassVar[str] = "classify"
    default_model: ClassVar[str] = "sst2"

    top: Annotated[int, Option("--top", help="How many labels to show, best first; 0 for all.", low=0)] = 1
    labels: Annotated[
        tuple[str, ...],
        Option(
            "--labels",
            metavar="A,B,C",
            help="Labels of your own, in place of the model's; give it once for each if a comma is in one.",
            omit_default=True,
        ),
    ] = ()
    multi_label: Annotated[
        bool,
        Option("--multi-label", help="Judge each label alone: several may hold, or none.", omit_default=True),
    ] = False
    hypothesis: Annotated[
        str | None,
        Option(
            "--hypothesis",
            metavar="TEXT",
            help="The sentence that a label is put into.",
            default=f'"{ABOUT_TEXTS}" or "{ABOUT_PICTURES}"',
            omit_default=True,
        ),
    ] = None
    scores: Annotated[
        bool,
        Option("--scores", help="Show the scores of all labels; in a table, a column for each.", omit_default=True),
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", split_labels(self.labels))
        if not self.labels:
            for given, option in ((self.multi_label, "--multi-label"), (self.hypothesis is not None, "--hypothesis")):
                if given:
                    raise InputError(f"{option} is about labels of your own", hint="--labels A,B,C names them")
        if self.hypothesis is not None and "{}" not in self.hypothesis:
            raise InputError("--hypothesis has no {}, where a label goes", hint=f'--hypothesis "{ABOUT_TEXTS}"')

    @classmethod
    def choose_model(cls, values: Mapping[str, object], folder: Path) -> str:
        """A model for labels of anyone's, for pictures, for both, or for neither."""
        del folder
        if values.get("picture"):
            return "clip" if values.get("labels") else "vit"
        return "zero-shot" if values.get("labels") else cls.default_model

    @property
    def sentence(self) -> str:
        """What a label is put into."""
        return self.hypothesis or (ABOUT_TEXTS if self.picture is None else ABOUT_PICTURES)


def split_labels(stated: tuple[str, ...]) -> tuple[str, ...]:
    """Labels from one text with commas, or from several texts, one each. Raises InputError."""
    parts = stated[0].split(",") if len(stated) == 1 else stated
    labels = tuple(part.strip() for part in parts)
    if stated and not all(labels):
        raise InputError("--labels holds an empty label", hint='--labels "sports,politics,science"')
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise InputError(f"--labels holds {twice!r} twice", hint="leave one of them out")
    if len(labels) > MOST_LABELS:
        raise InputError(f"--labels holds {len(labels)} labels; at most {MOST_LABELS} can be told apart")
    return labels


class Classify(Modality[ClassifyRequest]):
    """A classifier of texts or of pictures, or two encoders that say how well a picture and a label fit."""

    request: ClassVar[type[Request]] = ClassifyRequest
    content: ClassVar[type[Content]] = Labels
    models: ClassVar[ModelKind] = ModelKind(
        task="classify",
        words="a classifier",
        library="transformers",
        class_suffixes=("ForSequenceClassification", OF_PICTURES),
        also=TWO_TOWERS,
        mapping="SEQUENCE_CLASSIFICATION",
        known=LABELS,
        built_in=TINY / "classify",
    )
    work: ClassVar[Work | None] = Work.READING
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    example: ClassVar[str] = 'genai classify "This movie is disgustingly good !"'
    argument: ClassVar[str] = "What to classify"
    draws: ClassVar[bool] = False
    mark: ClassVar[str | None] = None
    # Measured on a 2-core AVX-512 machine; on a GPU a starting point, which is halved where it does not fit.
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 64, "cuda": 256, "mps": 64}
    chunk_sizes: ClassVar[tuple[int, int]] = (64, 512)

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the classifier. Raises ModelError."""
        self.name = files.reference.id
        self.texts: TextClassifier | None = None
        self.pictures: PictureClassifier | None = None
        self.towers: Towers | None = None
        kind = find_kind(files.folder)
        if kind == OF_PICTURES:
            self.pictures = PictureClassifier(files, placement)
        elif kind is not None:
            self.towers = Towers(files, placement)
        else:
            self.texts = TextClassifier(files, placement)

    @classmethod
    def check(cls, folder: Path, request: ClassifyRequest) -> None:
        """Raise InputError for what the model does not take."""
        kind, name = find_kind(folder), request.model
        if kind is None and request.picture is not None:
            hint = "-m clip does, with --labels" if request.labels else "-m vit does; -m clip with --labels"
            raise InputError(f"{name} reads texts and no pictures", hint=hint)
        if kind is not None and request.picture is None:
            raise InputError(f"{name} classifies pictures, and this is a text", hint="--picture FILE names one")
        if kind == OF_PICTURES and request.labels:
            raise InputError(f"{name} has labels of its own, and takes no others", hint="-m clip takes --labels")
        if kind in TWO_TOWERS and not request.labels:
            raise InputError(f"{name} has no labels of its own", hint='--labels "a cat,a dog" names some')
        if kind == TWO_TOWERS[0] and request.multi_label:
            raise InputError(f"{name} shares a score among labels", hint="-m siglip judges each label alone")
        if kind is None and request.labels:
            names = read_json(folder, "config.json").get("id2label") or {}
            if find_entailing(names) is None:
                what = f"{name} knows its own labels alone: it is not a model of inference (NLI)"
                raise InputError(what, hint="-m zero-shot takes --labels")

    def generate(self, requests: Sequence[ClassifyRequest], emit: Emit) -> list[Result | GenaiError]:
        """Labels for each text or picture. All requests are of texts, or all are of pictures."""
        results: list[Result | GenaiError] = []
        for place, (request, scored) in enumerate(zip(requests, self.score(requests, emit), strict=True)):
            if isinstance(scored, GenaiError):
                results.append(scored)
                continue
            if scored.windows > 1:
                say = tag_item(emit, place)
                say(Notice(f"a text is longer than the model reads at once: {scored.windows} windows averaged"))
            results.append(build_result(request, scored))
        return results

    def score(self, requests: Sequence[ClassifyRequest], emit: Emit) -> list[Scored | GenaiError]:
        """The scores for each request."""
        if self.texts is None:
            return [self.score_picture(request, tag_item(emit, place)) for place, request in enumerate(requests)]
        found: dict[int, Scored | GenaiError] = {}
        alike: dict[tuple[tuple[str, ...], str, bool], list[int]] = {}
        for place, request in enumerate(requests):
            alike.setdefault((request.labels, request.sentence, request.multi_label), []).append(place)
        for (labels, sentence, multi_label), places in alike.items():
            texts = [requests[place].prompt for place in places]
            try:
                scored = (
                    self.texts.weigh(texts, labels, sentence, multi_label=multi_label)
                    if labels
                    else self.texts.score(texts)
                )
            except InputError as error:
                found |= dict.fromkeys(places, error)
            else:
                found |= dict(zip(places, scored, strict=True))
        return [found[place] for place in range(len(requests))]

    def score_picture(self, request: ClassifyRequest, emit: Emit) -> Scored | GenaiError:
        """The scores for a picture, or why there are none."""
        picture = request.picture
        if picture is None:
            raise TypeError("the model reads pictures alone")
        try:
            if self.pictures is not None:
                return self.pictures.score(picture, emit)
            if self.towers is None:
                raise TypeError("the model reads texts alone")
            sentences = tuple(request.sentence.replace("{}", label) for label in request.labels)
            return Scored(request.labels, self.towers.compare(picture, sentences, emit))
        except InputError as error:
            return error


def find_kind(folder: Path) -> str | None:
    """What kind of a model of pictures a checkpoint is, by the end of its class's name; None for one of texts."""
    architecture = str((read_json(folder, "config.json").get("architectures") or [""])[0])
    return next((kind for kind in (OF_PICTURES, *TWO_TOWERS) if architecture.endswith(kind)), None)


def build_result(request: ClassifyRequest, scored: Scored) -> Result | GenaiError:
    """The best labels, or all values of a regression in the model's order."""
    if not all(map(math.isfinite, scored.values)):
        return ResultError("the model's scores are not finite (NaN)", hint="try --dtype float32, or another text")
    if scored.is_regression:
        labels = Labels.list_values(tuple(zip(scored.names, scored.values, strict=True)))
    else:
        top = 0 if request.scores else request.top
        labels = Labels.rank(rank_labels([str(name) for name in scored.names], scored.values, top))
    windows = {"windows": scored.windows} if request.picture is None else {}
    return Result(labels, request.parameters() | windows)


def rank_labels(names: Sequence[str], scores: Sequence[float], top: int) -> tuple[tuple[str, float], ...]:
    """The `top` labels (all with 0) with their scores, best first; of equals the earlier one."""
    ranked = sorted(zip(names, scores, strict=True), key=lambda pair: -pair[1])
    return tuple(ranked[: top or None])
