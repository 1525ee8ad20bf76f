"""What genai uses of huggingface_hub that its makers do not promise to keep, in one file.

`huggingface_hub.set_client_factory` is public and replaces the HTTP client. The factory it replaces is not public, and
neither is the HTTP library behind it (httpx up to version 1, httpx2 since version 2). genai needs both:

- It adds hooks to the client that the library would make itself. A client built here would lose the library's own
  hooks, timeouts and redirects. `get_session` is public, but inside a factory it calls that factory again.
- It wraps the stream of a response, which has to be of the HTTP library's own type.

tests/test_private_hub.py fails if a new version of huggingface_hub no longer has them.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx2 import Client


def make_default_client() -> "Client":
    """A new HTTP client as the library makes it for itself."""
    from huggingface_hub.utils._http import default_client_factory

    return default_client_factory()


def find_http_library() -> ModuleType:
    """The HTTP library that huggingface_hub uses: the one its base class of errors comes from."""
    from huggingface_hub.errors import HTTPError

    return sys.modules[HTTPError.__module__.partition(".")[0]]
