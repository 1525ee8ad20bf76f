"""The addresses that tell something, beside those that make results: the routes, the guard and the schema read this."""

from dataclasses import dataclass

from genai_cli.types import JsonObject


@dataclass(frozen=True)
class Page:
    """An address that GET answers: the method of the server that does, and the answer as JSON Schema.

    None stands for an answer that is no JSON, but of the media type.
    """

    path: str
    method: str
    summary: str
    answer: JsonObject | None
    is_open: bool = False
    """Whether it is answered without a key: it tells nothing about what is served, and to whom."""
    errors: tuple[int, ...] = ()
    media_type: str = "application/json"


MODEL: JsonObject = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
    },
    "required": ["id", "object", "created", "owned_by"],
}
MODELS: JsonObject = {
    "type": "object",
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": MODEL}},
    "required": ["object", "data"],
}
HEALTH: JsonObject = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}
PAGES = (
    Page("/v1/models", "models", "The models that are served.", MODELS),
    Page("/v1/models/{name}", "model", "One of the models.", MODEL, errors=(404,)),
    Page("/health", "health", "That the server listens.", HEALTH, is_open=True),
    Page("/metrics", "metrics_text", "Counts, in the text form of Prometheus.", None, media_type="text/plain"),
    Page("/openapi.json", "schema", "This description.", {"type": "object"}, is_open=True),
)
FILES = "/files/"
FILE = Page(
    f"{FILES}{{name}}", "file", "A file that an answer names.", None, is_open=True, errors=(404,), media_type="image/*"
)
"""Only where files are kept. Whoever knows the name may have the file, as with OpenAI's."""


GALLERY = "/gallery/"
GALLERY_PAGES = (
    Page(GALLERY, "gallery_page", "The results of a folder as a page.", None, errors=(503,), media_type="text/html"),
    Page(f"{GALLERY}{{name}}", "gallery_file", "A file on that page.", None, errors=(404, 503), media_type="*/*"),
)
"""Only where a folder is shown. A browser may send the key as the password of a user of any name."""


def list_pages(keeps_files: bool, shows_gallery: bool) -> list[Page]:
    """All of them."""
    return [*PAGES, *([FILE] if keeps_files else ()), *(GALLERY_PAGES if shows_gallery else ())]


def is_open(path: str) -> bool:
    """Whether an address is answered without a key."""
    return path.startswith(FILES) or any(page.is_open and page.path == path for page in PAGES)
