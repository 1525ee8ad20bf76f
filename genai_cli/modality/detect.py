"""Boxes around the things in a picture, with the object detectors of transformers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

from genai_cli.content.box_drawing import Box
from genai_cli.content.boxes import Boxes
from genai_cli.content.content import Content
from genai_cli.content.picture_reading import measure_picture
from genai_cli.errors import GenaiError, InputError, ModelError, ResultError, nearest
from genai_cli.events import Emit, Notice, tag_item
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.known_models import DETECTORS
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.modality.seeing.eyes import read_image
from genai_cli.modality.seeing.overlaps import choose_boxes, cut_boxes
from genai_cli.request.input import Input
from genai_cli.request.option import Option
from genai_cli.request.request import Request
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from transformers.utils import ModelOutput

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

USUAL_THRESHOLD = 0.5
# Models that look for words, by the beginnings of their classes: the score from which a thing counts, as their papers'
# code has it, and how much two boxes of one thing may share (1: such a model finds each thing once).
WORD_MODELS = {"OwlViT": (0.1, 0.3), "Owlv2": (0.2, 0.3), "GroundingDino": (0.3, 0.7), "MMGroundingDino": (0.3, 0.7)}
READS_ONE_TEXT = ("GroundingDino", "MMGroundingDino")  # all labels stand in one text, each ended by a full stop
ALL = 1.0
SHOWN_LABELS = 8


@dataclass(frozen=True, kw_only=True)
class DetectRequest(Request):
    """A picture, and what is looked for in it; `threshold` and `overlap` None are the model's own."""

    task: ClassVar[str] = "detect"
    default_model: ClassVar[str] = "rtdetr"
    subject: ClassVar[str] = "picture"

    picture: Input
    labels: Annotated[
        str | None,
        Option(
            "--labels",
            metavar="NAME,NAME",
            help="What to look for: any words for OWL-ViT and Grounding DINO, some of its own labels for another.",
            default="all that the model knows",
        ),
    ] = None
    threshold: Annotated[
        float | None,
        Option(
            "--threshold",
            help="The score from which a thing counts.",
            default=f"{USUAL_THRESHOLD}; 0.1 to 0.3 for models that take words",
            low=0,
            high=1,
        ),
    ] = None
    overlap: Annotated[
        float | None,
        Option(
            "--overlap",
            help="Of two boxes of a label that share more than this (intersection over union) the better one stays.",
            default="1, which keeps all; 0.3 for OWL-ViT, 0.7 for Grounding DINO",
            low=0,
            high=1,
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels is not None and not all(self.list_labels()):
            raise InputError("--labels names an empty label", hint='--labels "a cat,a remote"')

    def list_labels(self) -> list[str]:
        """What is looked for, each once; none where it is all that the model knows."""
        return list(dict.fromkeys(label.strip() for label in self.labels.split(","))) if self.labels is not None else []

    def batch_key(self) -> tuple[object, ...]:
        """Pictures of one size need no padding, which some models do not ignore."""
        try:
            size: object = measure_picture(self.picture)
        except InputError:
            size = self.picture.sha256  # it cannot be read any more
        return (self.labels, self.threshold, size)


class Candidates(NamedTuple):
    """What a model found in a picture: boxes (boxes, 4), scores (boxes,), and their labels."""

    boxes: "Tensor"
    scores: "Tensor"
    labels: list[str]


class Detect(Modality[DetectRequest]):
    """An object detector with its processor; `word_model` is the kind of one that looks for words, else None."""

    request: ClassVar[type[Request]] = DetectRequest
    content: ClassVar[type[Content]] = Boxes
    models: ClassVar[ModelKind] = ModelKind(
        task="detect",
        words="an object detector",
        library="transformers",
        class_suffixes=("ForObjectDetection",),
        known=DETECTORS,
        built_in=TINY / "detect",
    )
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "pillow")
    example: ClassVar[str] = "genai detect street.jpg -o marked.png"
    argument: ClassVar[str] = "The picture to look at"
    draws: ClassVar[bool] = False
    mark: ClassVar[str | None] = None
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 1, "cuda": 8, "mps": 4}
    chunk_sizes: ClassVar[tuple[int, int]] = (4, 64)

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the detector and its processor. Raises ModelError for one that finds no boxes."""
        from genai_cli.device.loading import load_companion, load_model

        self.word_model = find_word_model(files.architecture)
        if self.word_model is None:
            self.processor = load_companion("AutoImageProcessor", files)
            self.model = load_model("AutoModelForObjectDetection", files, placement)
        else:
            self.processor = load_companion("AutoProcessor", files)
            self.model = load_model("AutoModelForZeroShotObjectDetection", files, placement)

    @classmethod
    def check(cls, folder: Path, request: DetectRequest) -> None:
        """Raise InputError for what is not a picture, or labels that the model does not find; ModelError for timm."""
        measure_picture(request.picture)
        config = read_optional_json(folder / "config.json")
        refuse_timm(config, request.model)
        if find_word_model(str((config.get("architectures") or [""])[0])) is not None:
            if request.labels is None:
                what = f"{request.model} looks for what it is told, and nothing was named"
                raise InputError(what, hint='--labels "a cat,a remote"')
            if any("." in label for label in request.list_labels()):
                raise InputError("a label holds a full stop, which ends it", hint="leave it out")
            return
        known = [str(name) for name in config.get("id2label", {}).values()]
        for label in request.list_labels():
            if label not in known:
                raise unknown_label(label, known, request.model)

    def generate(self, requests: Sequence[DetectRequest], emit: Emit) -> list[Result | GenaiError]:
        """The boxes in each picture. All are of one size and are looked at for the same things."""
        images = [read_image(request.picture, tag_item(emit, place)) for place, request in enumerate(requests)]
        threshold, overlap = self.choose_settings(requests[0])
        found = self.find(images, requests[0].list_labels(), threshold)
        results: list[Result | GenaiError] = []
        for place, (request, image, candidates) in enumerate(zip(requests, images, found, strict=True)):
            chosen = overlap if request.overlap is None else request.overlap
            used = replace(request, threshold=threshold, overlap=chosen)
            result = build_result(used, candidates, image.size)
            if not isinstance(result, GenaiError) and not result.content.facts()["boxes"]:
                say = tag_item(emit, place)
                say(Notice(f"{request.picture.name}: nothing found with a score of {threshold} or more"))
            results.append(result)
        return results

    def choose_settings(self, request: DetectRequest) -> tuple[float, float]:
        """The threshold, and the model's own overlap."""
        threshold, overlap = WORD_MODELS[self.word_model] if self.word_model else (USUAL_THRESHOLD, ALL)
        return (threshold if request.threshold is None else request.threshold), overlap

    def find(self, images: "list[Image]", labels: list[str], threshold: float) -> list[Candidates]:
        """What is in each picture. Raises InputError for labels that are too long for the model."""
        import torch

        words = self.arrange_words(labels, len(images))
        inputs = self.processor(images=images, **words, return_tensors="pt")
        self.check_length(inputs)
        inputs = inputs.to(self.model.device, self.model.dtype)
        with torch.inference_mode():
            outputs = self.model(**inputs)
        outputs.logits, outputs.pred_boxes = outputs.logits.float().cpu(), outputs.pred_boxes.float().cpu()
        sizes = [(image.height, image.width) for image in images]
        if self.word_model in READS_ONE_TEXT:
            return self.match_text(outputs, inputs["input_ids"].cpu(), labels, threshold, sizes)
        if self.word_model is not None:
            read = self.processor.post_process_grounded_object_detection
            found = read(outputs, threshold=threshold, target_sizes=sizes, text_labels=[labels] * len(images))
            return [Candidates(one["boxes"], one["scores"], list(one["text_labels"])) for one in found]
        found = self.processor.post_process_object_detection(outputs, threshold=threshold, target_sizes=sizes)
        return [self.name_boxes(one, labels) for one in found]

    def arrange_words(self, labels: list[str], number: int) -> JsonObject:
        """The labels as the processor takes them, for each of so many pictures."""
        if self.word_model is None:
            return {}
        if self.word_model in READS_ONE_TEXT:
            return {"text": [" ".join(f"{label.lower()}." for label in labels)] * number, "padding": True}
        return {"text": [labels] * number}

    def check_length(self, inputs: JsonObject) -> None:
        """Raise InputError where the labels have more tokens than the model reads."""
        if "input_ids" not in inputs:
            return
        config = self.model.config
        limit = getattr(config, "max_text_len", None) or config.text_config.max_position_embeddings
        length = inputs["input_ids"].shape[-1]
        if length > limit:
            what = "all labels together have" if self.word_model in READS_ONE_TEXT else "a label has"
            raise InputError(f"{what} {length} tokens, and the model reads {limit}", hint="shorten --labels")

    def name_boxes(self, found: "dict[str, Tensor]", labels: list[str]) -> Candidates:
        """Boxes with the model's names of their classes, those of `labels` alone if there are any."""
        names = [str(self.model.config.id2label[index]) for index in found["labels"].tolist()]
        kept = [place for place, name in enumerate(names) if not labels or name in labels]
        return Candidates(found["boxes"][kept], found["scores"][kept], [names[place] for place in kept])

    def match_text(
        self,
        outputs: "ModelOutput",
        tokens: "Tensor",
        labels: list[str],
        threshold: float,
        sizes: list[tuple[int, int]],
    ) -> list[Candidates]:
        """Boxes of a model that reads all labels as one text: the label whose tokens fit a box best is its label.

        The library's own reading gives the words that fit, which may be parts of labels and of several.
        """
        import torch
        from transformers.image_transforms import center_to_corners_format

        spans = find_spans(tokens[0].tolist(), self.end_token(), set(self.processor.tokenizer.all_special_ids))
        chances = outputs.logits.sigmoid()
        found = []
        for (height, width), chance, boxes in zip(sizes, chances, outputs.pred_boxes, strict=True):
            by_label = [chance[:, span].amax(dim=-1) for span in spans]
            scores, best = torch.stack(by_label, dim=-1).max(dim=-1)
            kept = (scores > threshold).nonzero().flatten().tolist()
            scale = boxes.new_tensor([width, height, width, height])
            corners = center_to_corners_format(boxes[kept]) * scale
            found.append(Candidates(corners, scores[kept], [labels[best[place]] for place in kept]))
        return found

    def end_token(self) -> int:
        """The token that ends each label."""
        return int(self.processor.tokenizer.convert_tokens_to_ids("."))


def find_spans(tokens: list[int], end: int, special: set[int]) -> list[list[int]]:
    """The positions of each label's tokens in a text whose labels are each ended by a token."""
    spans: list[list[int]] = [[]]
    for position, token in enumerate(tokens):
        if token == end:
            spans.append([])
        elif token not in special:
            spans[-1].append(position)
    return spans[:-1]


def find_word_model(architecture: str) -> str | None:
    """The kind of a model that looks for words, told from the name of its class; None for another."""
    return next((kind for kind in WORD_MODELS if architecture.startswith(kind)), None)


def refuse_timm(config: JsonObject, model: str) -> None:
    """Raise ModelError for a detector whose backbone is one of the library timm."""
    inner = config.get("backbone_config") or {}
    name = config.get("backbone")
    uses = config.get("use_timm_backbone", isinstance(name, str) and not inner)
    if uses or inner.get("model_type") == "timm_backbone":
        what = f" ({name or inner.get('backbone')})" if name or inner.get("backbone") else ""
        raise ModelError(
            f"{model} has a backbone of timm{what}, a library that genai does not use",
            hint="take another detector: rtdetr or yolos; facebook/detr-resnet-50@no_timm is DETR without timm",
        )


def unknown_label(label: str, known: list[str], model: str) -> InputError:
    """The error for a label that a model was not trained to find."""
    shown = ", ".join(known[:SHOWN_LABELS]) + (", ..." if len(known) > SHOWN_LABELS else "")
    hint = nearest(label, known) or f"it finds {shown}; -m owlvit looks for any words"
    return InputError(f"{model} does not find {label!r}", hint=hint)


def build_result(request: DetectRequest, found: Candidates, size: tuple[int, int]) -> Result | GenaiError:
    """The boxes of a picture of this width and height, inside it and best first. `request` has every option set."""
    if not (bool(found.scores.isfinite().all()) and bool(found.boxes.isfinite().all())):
        return ResultError("the model's boxes are not finite (NaN)", hint="try --dtype float32, or another picture")
    inside = cut_boxes(found.boxes, size)
    boxes = []
    for place in choose_boxes(inside, found.scores, found.labels, ALL if request.overlap is None else request.overlap):
        left, top, right, bottom = (round(value, 2) for value in inside[place].tolist())
        if right > left and bottom > top:
            score = round(float(found.scores[place]), 6)
            extent = round(right - left, 2), round(bottom - top, 2)
            boxes.append(Box(found.labels[place], score, left, top, *extent))
    content = Boxes.place(tuple(boxes), request.picture, size)
    return Result(content, request.parameters())
