"""The baseline file: read with every doubt, written so that its diff reads well."""

import json
import os
from errno import EFBIG
from pathlib import Path

from pydantic import ValidationError

from entrypoint.baseline.model import SCHEMA_VERSION, Baseline
from entrypoint.errors import SettingsError
from entrypoint.files import make_folder, read_small, write

_LARGEST = 10 * 1024 * 1024
_REMEDY = "Restore it from the repository's history, or calibrate anew with `ml-loadtest calibrate`."


def read_baseline(path: Path) -> Baseline | None:
    """The committed baseline, or None if there is no file.

    Raises:
        SettingsError: if there is one that cannot be used; a damaged baseline must never look like a missing one.
    """
    try:
        text = read_small(path, _LARGEST).decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise SettingsError(f"The baseline `{path}` cannot be read: {error}.", remedy=_REMEDY) from error
    except OSError as error:
        cause = "It holds at most 20 runs a machine and is some kilobytes as a rule." if error.errno == EFBIG else ""
        raise SettingsError(
            f"The baseline `{path}` cannot be read: {error.strerror}.", cause=cause, remedy=_REMEDY
        ) from error
    return parse_baseline(text, path.name)


def parse_baseline(text: str, name: str) -> Baseline:
    """The baseline in a text; see `read_baseline`."""
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
        version = values.get("schema_version") if isinstance(values, dict) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise SettingsError(
                f"The baseline `{name}` is of schema version {version}; this ml-loadtest knows {SCHEMA_VERSION}.",
                remedy="Use the ml-loadtest that wrote it, or a newer one.",
            )
        return Baseline.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"The baseline `{name}` is not one: `{place}`: {first['msg'].lower()}.", remedy=_REMEDY
        ) from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"The baseline `{name}` is not JSON: {error}.", remedy=_REMEDY) from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write the file whole or not at all: keys in a fixed order, one value a line, six significant digits.

    Raises:
        SettingsError: if it cannot be written.
    """
    values = _rounded(baseline.model_dump(mode="json", exclude_defaults=False))
    temporary = path.with_name(path.name + ".part")
    try:
        make_folder(path.parent)
        write(temporary, json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        os.replace(temporary, path)  # noqa: PTH105 (atomic on every system)
    except OSError as error:
        raise SettingsError(f"The baseline `{path}` cannot be written: {error.strerror}.") from error


def _rounded(value: object) -> object:
    """Six significant digits: far below any noise, and short enough to read in a diff."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value
