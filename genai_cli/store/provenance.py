"""How a file was made: from its own record, else from the manifest of the folder that a batch filled."""

from pathlib import Path
from typing import cast

from genai_cli.content.reading import NoRecordError, Provenance, read_provenance
from genai_cli.content.record import Record
from genai_cli.store.manifest import find_manifests, read_manifest_lines

__all__ = ["Provenance", "find_provenance"]


def find_provenance(path: Path) -> Provenance:
    """What is known about how a file was made. Raises InputError for a file that is missing, broken or unknown."""
    try:
        return read_provenance(path)
    except NoRecordError:
        manifests = (manifest for manifest in find_manifests(path.parent) if manifest.is_file())
        lines = (line for manifest in manifests for line in read_manifest_lines(manifest))
        found = [line for line in lines if line.get("file") == path.name]
        if not found:
            raise
        return Provenance(cast(Record, found[-1]))
