"""Which engine makes jobs: this process (or the worker that it keeps), or workers that Ray runs."""

import importlib.util
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, ClassVar

from genai_cli.errors import InputError
from genai_cli.hub.address import is_address
from genai_cli.request.option import BATCHES, Option

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Which engine, how many workers (None: as many as suit the devices), and the cluster's address (None: our own)."""

    heading: ClassVar[str] = BATCHES

    engine: Annotated[
        str,
        Option(
            "--engine",
            help="local (this process), or ray (several workers, here or on a cluster).",
            choices=(LOCAL, RAY),
        ),
    ] = LOCAL
    workers: Annotated[
        int | None,
        Option(
            "--workers",
            help="Workers of --engine ray, or calls of a server at once.",
            default="one for each GPU; without, one for every two CPUs; 4 calls",
            low=1,
        ),
    ] = None
    ray_address: Annotated[
        str | None,
        Option("--ray-address", metavar="HOST:PORT", help="A running Ray cluster, or auto.", default="one of its own"),
    ] = None

    def __post_init__(self) -> None:
        if self.engine == RAY:
            check_ray(self.ray_address)
        elif self.ray_address is not None:
            raise InputError("--ray-address needs --engine ray", hint="the local engine makes all in one process")

    def check_models(self, models: Collection[str]) -> None:
        """Raise InputError where the engine, or the number of its workers, means nothing for models of these names."""
        servers = [model for model in models if is_address(model)]
        if servers and self.engine == RAY:
            raise InputError("--engine ray does not work with a server as the model", hint="leave it out")
        if self.workers is not None and self.engine != RAY and not servers:
            hint = "the local engine makes all in one process"
            raise InputError("--workers needs --engine ray, or a server as the model", hint=hint)

    def check_device(self, device: str) -> None:
        """Raise InputError for one GPU by its number, which Ray's workers do not see: each has one of its own."""
        if self.engine == RAY and device.startswith("cuda:"):
            raise InputError(f"--device {device} is for the local engine", hint="--device cuda gives each worker a GPU")


def check_ray(address: str | None) -> None:
    """Raise InputError where Ray is not installed, or the address is of a kind that cannot be used."""
    if importlib.util.find_spec("ray") is None:
        raise InputError("--engine ray needs Ray, which is not installed", hint="pip install 'genai-cli[ray]'")
    if address is not None and ("://" in address or not (address == "auto" or address.rpartition(":")[2].isdecimal())):
        raise InputError(
            f"--ray-address must be HOST:PORT or auto, not {address!r}",
            hint="run genai on a machine of the cluster; ray start says the address",
        )
