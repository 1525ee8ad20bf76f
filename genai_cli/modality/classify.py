"""Labels for texts, with any sequence classifier of transformers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.content.content import Content
from genai_cli.content.labels import Labels
from genai_cli.errors import ModelError
from genai_cli.events import Emit, Notice
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.decoding.batch_invariance import make_batch_invariant
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.request.option import Option
from genai_cli.request.request import QuantizableRequest, Request

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import BatchEncoding, PretrainedConfig, PreTrainedTokenizerBase

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

OVERLAP = 0.25  # of a window, shared with the next
WINDOWS_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class ClassifyRequest(QuantizableRequest):
    """One text to classify; `top` is how many labels to keep, all with 0."""

    task: ClassVar[str] = "classify"
    default_model: ClassVar[str] = "sst2"

    top: Annotated[int, Option("--top", help="How many labels to show, best first; 0 for all.", low=0)] = 1

    def length(self) -> int:
        return len(self.prompt)


class Classify(Modality[ClassifyRequest]):
    """A sequence classifier, its tokenizer, and its window in tokens (special ones included)."""

    request: ClassVar[type[Request]] = ClassifyRequest
    content: ClassVar[type[Content]] = Labels
    models: ClassVar[ModelKind] = ModelKind(
        task="classify",
        words="a text classifier",
        library="transformers",
        class_suffixes=("ForSequenceClassification",),
        mapping="SEQUENCE_CLASSIFICATION",
        aliases={"sst2": "distilbert/distilbert-base-uncased-finetuned-sst-2-english"},
        built_in=TINY / "classify",
    )
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    example: ClassVar[str] = 'genai classify "This movie is disgustingly good !"'
    argument: ClassVar[str] = "What to classify"
    draws: ClassVar[bool] = False
    mark: ClassVar[str | None] = None
    # Measured on a 2-core AVX-512 machine; on a GPU a starting point, which is halved where it does not fit.
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 64, "cuda": 256, "mps": 64}
    chunk_sizes: ClassVar[tuple[int, int]] = (64, 512)

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the classifier and its tokenizer. Raises ModelError where the tokenizer cannot cut windows."""
        from genai_cli.device.loading import load_companion, load_model

        self.tokenizer = load_companion("AutoTokenizer", files)
        self.model = load_model("AutoModelForSequenceClassification", files, placement)
        if placement.device == "cpu":
            make_batch_invariant(self.model)
        if not self.tokenizer.is_fast:
            raise ModelError(f"{files.reference.id} has no tokenizer that can cut a text into windows (tokenizer.json)")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.window = find_window(self.model.config, self.tokenizer)

    def generate(self, requests: Sequence[ClassifyRequest], emit: Emit) -> list[Result]:
        """Labels for each text; a long one is read in overlapping windows, whose scores are averaged."""
        encoded = self.tokenizer(
            [request.prompt for request in requests],
            truncation=True,
            max_length=self.window,
            stride=int((self.window - self.tokenizer.num_special_tokens_to_add()) * OVERLAP),
            return_overflowing_tokens=True,
        )
        owners = encoded.pop("overflow_to_sample_mapping")
        windows: list[list[Tensor]] = [[] for _ in requests]
        for owner, scores in zip(owners, self.score_windows(encoded), strict=True):
            windows[owner].append(scores)
        results = []
        for request, scores in zip(requests, windows, strict=True):
            if len(scores) > 1:
                emit(Notice(f"a text is longer than the model reads at once: {len(scores)} windows averaged"))
            average = sum(scores) / len(scores)
            labels = rank_labels(average.tolist(), self.model.config.id2label, request.top)
            results.append(Result(Labels.rank(labels), request.parameters() | {"windows": len(scores)}))
        return results

    def score_windows(self, encoded: "BatchEncoding") -> "list[Tensor]":
        """Scores of shape (labels,) for each window of the tokenizer's output, in its order.

        Windows of one length go through the model together: without padding, no score depends on what is beside it.
        """
        import torch

        by_length: dict[int, list[int]] = {}
        for position, tokens in enumerate(encoded["input_ids"]):
            by_length.setdefault(len(tokens), []).append(position)
        scores: dict[int, Tensor] = {}
        for alike in by_length.values():
            for first in range(0, len(alike), WINDOWS_AT_ONCE):
                positions = alike[first : first + WINDOWS_AT_ONCE]
                inputs = {
                    name: torch.tensor([values[position] for position in positions], device=self.model.device)
                    for name, values in encoded.items()
                }
                with torch.inference_mode():
                    logits = self.model(**inputs).logits
                scores.update(zip(positions, compute_scores(logits.float().cpu(), self.model.config), strict=True))
        return [scores[position] for position in range(len(scores))]


def find_window(config: "PretrainedConfig", tokenizer: "PreTrainedTokenizerBase") -> int:
    """How many tokens the model reads at once."""
    positions = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    # RoBERTa and its kin count positions from the padding index on.
    reserved = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
    return int(min(tokenizer.model_max_length, positions - reserved))


def compute_scores(logits: "Tensor", config: "PretrainedConfig") -> "Tensor":
    """Probabilities from logits of shape (windows, labels): independent for a multi-label model, else a softmax."""
    independent = config.problem_type == "multi_label_classification" or logits.shape[-1] == 1
    return logits.sigmoid() if independent else logits.softmax(dim=-1)


def rank_labels(scores: Sequence[float], names: dict[int, str], top: int) -> tuple[tuple[str, float], ...]:
    """The `top` labels (all with 0) with their scores, best first."""
    ranked = sorted(((names[index], score) for index, score in enumerate(scores)), key=lambda pair: -pair[1])
    return tuple(ranked[: top or None])
