"""From flags, action inputs and `loadtest.yml` to one frozen `Settings`; all mistakes of all of them at once."""

import difflib
import os
import re
import secrets
import shlex
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from entrypoint.errors import SettingsError
from entrypoint.files import refuse_link
from entrypoint.measurement.metrics import METRICS
from entrypoint.settings.document import REPLACES, Document, Place
from entrypoint.settings.glance import find, open_document, suite_name
from entrypoint.settings.keys import Key, all_keys
from entrypoint.settings.model import UNKNOWN_METRIC, Config, Load, MetricThreshold, as_list
from entrypoint.settings.quantities import told
from entrypoint.settings.request_mistakes import request_mistakes
from entrypoint.settings.requests import with_paths_from
from entrypoint.settings.runner import Runner, child_environment, read_runner
from entrypoint.settings.section import Section

DEFAULT_BASELINE = ".loadtest/baseline.json"
DEFAULT_HISTORY = ".loadtest/history.jsonl"
_S = TypeVar("_S", bound=Section)
# What may hold a secret: never shown in a message; in the command that reproduces a run, a variable of the reader's instead.
_HIDDEN = (("service", "headers"), ("service", "environment"), ("service", "setup"), ("service", "url"))
_PLACEHOLDERS = ("headers", "service-environment", "setup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that a command was told.

    Attributes:
        config: `loadtest.yml` with flags and inputs over it, paths absolute.
        root: the folder of the file, or the working directory; commands of the service run here.
        out: where results go.
        runner: the job's surroundings.
        environment: what the service and compose may see of ours.
        ledger: the folder that says what must be taken down, shared by all runs on this machine.
        run_id: what no other run on this machine has.
        reproduce: the command that makes the same run on another machine.
    """

    config: Config
    root: Path
    out: Path
    runner: Runner
    environment: Mapping[str, str]
    ledger: Path
    run_id: str
    reproduce: str

    @property
    def suite(self) -> str:
        """The suite's name, never empty."""
        return suite_name(self.config.suite, self.runner)


def read_settings(
    flags: Mapping[str, str], environ: Mapping[str, str], cwd: Path, *, config: str | None = None, out: str = "results"
) -> Settings:
    """Read everything once. A flag wins over an input, an input over the file.

    Args:
        flags: values given on the command line, by the setting's name without dashes.
        environ: the process's environment.
        cwd: what relative paths of flags and inputs are relative to.
        config: the file's name; without it, `loadtest.yml` is read if it is there.
        out: the folder for results.

    Raises:
        SettingsError: with every mistake that was found.
    """
    _refuse_link(cwd / out, out)
    name = config or environ.get("LT_CONFIG", "")
    document = open_document(cwd, name, environ)
    root = (cwd / name).resolve().parent if name else cwd.resolve()
    given = {
        key: (value, f"input `{key.name}`") for key in all_keys() if (value := environ.get(key.variable, "").strip())
    }
    given |= {key: (flags[key.name], f"`{key.flag}`") for key in all_keys() if flags.get(key.name) is not None}
    values, origins = _merge(document, given, root, cwd)
    _refuse_half_truths(environ)
    runner = read_runner(environ)
    environment = child_environment(environ)
    return Settings(
        config=_validate(Config, values, document, origins, environment),
        root=root,
        out=(cwd / out).resolve(),
        runner=runner,
        ledger=ledger_folder(environ),
        run_id=secrets.token_hex(4),
        environment=environment,
        reproduce=_reproduce(name, given),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JoiningSettings:
    """What a worker needs to know of the load; see `Load`.

    Attributes:
        load: the locustfile, its requirements and its environment; everything else is the master's.
        root: the folder of the file, or the working directory.
        environment: what pip and Locust may see of ours.
    """

    load: Load
    root: Path
    environment: Mapping[str, str]


_JOINING = ("locustfile", "requests", "wait", "requirements", "environment")


class _LoadAlone(Section):
    load: Load


def read_joining(
    flags: Mapping[str, str], environ: Mapping[str, str], cwd: Path, *, config: str | None = None
) -> JoiningSettings:
    """The part of the settings that a worker needs. Nothing else is read: a worker has no service and no thresholds.

    Raises:
        SettingsError: see `read_settings`.
    """
    name = config or ""
    document = open_document(cwd, name, environ)
    root = (cwd / name).resolve().parent if name else cwd.resolve()
    given = {key: (flags[key.name], f"`{key.flag}`") for key in all_keys() if flags.get(key.name) is not None}
    values, origins = _merge(document, given, root, cwd)
    load = values["load"]
    if isinstance(load, dict):
        load = {key: value for key, value in load.items() if key in _JOINING}
    environment = child_environment(environ)
    return JoiningSettings(
        load=_validate(_LoadAlone, {"load": load}, document, origins, environment).load,
        root=root,
        environment=environment,
    )


def _refuse_link(folder: Path, name: str) -> None:
    try:
        refuse_link(folder)
    except OSError as error:
        raise SettingsError(
            f"`--out` names `{name}`, which cannot be written to: {error.strerror}.",
            cause="A checkout may bring links, and they may lead anywhere.",
            remedy="Remove the link, or name the folder that it leads to.",
        ) from error


def _refuse_half_truths(environ: Mapping[str, str]) -> None:
    """The action compares this input with 'false' alone, so any other word would silently mean true."""
    value = environ.get("LT_ARTIFACT", "").strip()
    if value not in {"", "true", "false"}:
        raise SettingsError(f"input `artifact`: expected true or false, got {value!r}.")


def ledger_folder(environ: Mapping[str, str]) -> Path:
    """Where this user's runs on this machine note what they started, so that it is found after a run that was killed.

    It outlives the job: the runner empties its own folder for temporary files, and a machine that serves many jobs may have
    gone down in the midst of one.
    """
    return Path(environ.get("TMPDIR") or tempfile.gettempdir()) / f"ml-loadtest-{os.getuid()}"


def baseline_path(given: str | None, config: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The baseline file of a command that does not need a whole configuration.

    Raises:
        SettingsError: if the settings file cannot be read.
    """
    return _named_path(given, config, environ, cwd, ("compare", "baseline"), DEFAULT_BASELINE)


def history_path(given: str | None, config: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The history file of a command that does not need a whole configuration; see `baseline_path`."""
    return _named_path(given, config, environ, cwd, ("report", "history"), DEFAULT_HISTORY)


def _named_path(
    given: str | None,
    config: str | None,
    environ: Mapping[str, str],
    cwd: Path,
    place: tuple[str, ...],
    default: str,
) -> Path:
    """A path as a flag gives it, else as the settings file does, else the default beside that file."""
    if given:
        return cwd / given
    document = open_document(cwd, config or "", environ)
    root = (cwd / config).parent if config else cwd
    return root / str(find(document.values, place) or default)


def _merge(
    document: Document, given: Mapping[Key, tuple[str, str]], root: Path, cwd: Path
) -> tuple[dict[str, Any], dict[Place, str]]:
    """The file's values with what was given laid over them, and where each laid value came from."""
    paths = [key for key in all_keys() if key.is_path]
    values = _with_paths(document.values, paths, root)
    origins: dict[Place, str] = {}
    for section in ("service", "load"):
        values.setdefault(section, {})
    values["thresholds"] = as_list(values.get("thresholds"))
    if isinstance(load := values["load"], dict) and "requests" in load:
        load["requests"] = with_paths_from(root, load["requests"])
    for key in given:
        _drop(values.get(key.path.split(".")[0]), REPLACES.get(key.name, ()))
    for key, (value, origin) in given.items():
        for place in key.places:
            origins[_lay(values, place, _absolute(value, cwd) if key.is_path else value)] = origin
    baseline = ("compare", "baseline")
    if not find(values, baseline):
        _lay(values, baseline, str(root / DEFAULT_BASELINE))
    return values, origins


def _drop(section: object, names: Iterable[str]) -> None:
    """What is given by a flag or an input replaces what the file has in its stead; else the two would contradict each other."""
    if isinstance(section, dict):
        for name in names:
            section.pop(name, None)


def _with_paths(values: Mapping[str, Any], paths: list[Key], root: Path) -> dict[str, Any]:
    copied = _copy(values)
    for key in paths:
        found = find(copied, key.places[0])
        if found and isinstance(found, str | list):
            _lay(copied, key.places[0], _absolute(found, root))
    return copied  # type: ignore[no-any-return]


def _copy(value: Any) -> Any:  # noqa: ANN401 (what YAML gave)
    if isinstance(value, dict):
        return {str(key): _copy(part) for key, part in value.items()}
    return [_copy(part) for part in value] if isinstance(value, list) else value


def _absolute(value: object, folder: Path) -> object:
    if isinstance(value, list):
        return [_absolute(part, folder) for part in value]
    if not isinstance(value, str):
        return value
    return (
        [str(folder / part.strip()) for part in value.replace("\n", ",").split(",") if part.strip()]
        if ("," in value or "\n" in value)
        else str(folder / value)
    )


def _lay(values: dict[str, Any], place: tuple[str, ...], value: object) -> Place:
    """Put a value in its place, unless something that is no mapping stands in its way, and say where that is."""
    if place[0] == "thresholds":
        values["thresholds"].append({"endpoint": place[1], place[2]: {place[3]: value}})
        return ("thresholds", len(values["thresholds"]) - 1)
    inner: Any = values
    for part in place[:-1]:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            return place  # Left as it is: validation says that a section has to be a mapping.
    inner[place[-1]] = value
    return place


def _validate(
    model: type[_S],
    values: dict[str, Any],
    document: Document,
    origins: Mapping[Place, str],
    environment: Mapping[str, str],
) -> _S:
    """The values as a model, or every mistake in them."""
    mistakes: list[str] = []
    made: _S | None = None
    try:
        made = model.model_validate(values)
    except ValidationError as error:
        details = _without_followers(error.errors(include_url=False), values)
        mistakes = [_mistake(detail, document, origins) for detail in details]
    if isinstance(load := values.get("load"), dict) and load.get("requests"):
        found = request_mistakes(load, environment.keys())
        mistakes += [f"{_where(place, document, origins)}: {text}" for place, text in found]
    if made is not None and not mistakes:
        return made
    mistakes = list(dict.fromkeys(mistakes))  # One flag may stand for several places, and one value for several types.
    count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    raise SettingsError(
        f"The settings have {count}:\n" + "\n".join(f"  {mistake}" for mistake in mistakes),
        remedy="`ml-loadtest schema` prints what is allowed; docs/settings.md lists every key, flag and input.",
    )


def _without_followers(details: Sequence[ErrorDetails], values: Mapping[str, Any]) -> list[ErrorDetails]:
    """The mistakes but for those that only follow from another: thresholds of a figure whose section could not be read."""
    series = find(values, ("service", "prometheus", "series"))
    named = [ascii(one.get("name")) for one in series if isinstance(one, dict)] if isinstance(series, list) else []
    unread = any(detail["loc"][:2] == ("service", "prometheus") for detail in details)
    return [
        detail
        for detail in details
        if detail["type"] != UNKNOWN_METRIC or not (unread or detail["ctx"]["metric"] in named)
    ]


def _mistake(detail: ErrorDetails, document: Document, origins: Mapping[Place, str]) -> str:
    place = tuple(part for part in detail["loc"] if part != "metrics")
    if _is_hidden(place):
        place = place[:3]  # Without the types that a value could have had.
    return f"{_where(place, document, origins)}: {_what(detail, place)}"


def _where(place: Place, document: Document, origins: Mapping[Place, str]) -> str:
    alone = place[:2] == ("thresholds", 0) and isinstance(document.values.get("thresholds"), dict)
    for length in range(len(place), 0, -1):
        if place[:length] in origins:
            return origins[place[:length]]
        written = place[:1] + place[2:length] if alone else place[:length]
        if written in document.written_at:
            return f"{document.written_at[written]}, `{_dotted(place)}`"
    return f"`{_dotted(place)}`" if place else document.name


def _dotted(place: Place) -> str:
    return ".".join(str(part) for part in place)


def _is_hidden(place: Place) -> bool:
    return place[:2] in _HIDDEN


def _what(detail: ErrorDetails, place: Place) -> str:
    if detail["type"] in ("value_error", UNKNOWN_METRIC):  # Ours, and complete.
        return detail["msg"].removeprefix("Value error, ")
    match detail["type"]:
        case "extra_forbidden":
            known = _siblings(place)
            close = difflib.get_close_matches(str(place[-1]), known, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(known)}"
            return f"there is no such key; {hint}"
        case "missing":
            if place[:2] in (("load", "requests"), ("service", "prometheus")):
                return "it is missing"
            return f"it is missing, and every run needs it (flag --{place[-1]}, input {place[-1]})"
        case "enum" | "literal_error":
            message = f"expected {detail.get('ctx', {}).get('expected', 'another value')}"
        case "model_type":
            message = f"expected keys such as {', '.join(_siblings((*place, '')))}"
        case _ if _is_hidden(place[:-1]):
            message = "expected text or a number"
        case _:
            message = f"{detail['msg'][:1].lower()}{detail['msg'][1:]}"
    given = detail["input"]
    shown = not _is_hidden(place) or given is None or isinstance(given, dict | list)
    return f"{message}, got {told(given)}" if shown else message


def _siblings(place: Place) -> list[str]:
    section: Any = Config
    for part in place[:-1]:
        field = next((f for f in getattr(section, "model_fields", {}).values() if f.alias == part), None)
        section = _section_in(field.annotation) if field else section if isinstance(part, int) else None
    if place[:1] == ("thresholds",):
        if len(place) == 3:
            return ["endpoint", *METRICS]
        section = MetricThreshold
    return [str(f.alias) for f in getattr(section, "model_fields", {}).values()]


def _section_in(annotation: Any) -> Any:  # noqa: ANN401 (a type expression)
    """The section that a field holds, alone, in a list or as one of its possible types; else the annotation."""
    inner = [_section_in(part) for part in get_args(annotation)]
    return next((part for part in inner if isinstance(part, type) and issubclass(part, Section)), annotation)


def _reproduce(name: str, given: Mapping[Key, tuple[str, str]]) -> str:
    flags = [f"{key.flag} {_shown(key.name, value)}" for key, (value, _) in given.items()]
    return " ".join(["ml-loadtest run", *([f"--config {shlex.quote(name)}"] if name else []), *flags])


def _shown(name: str, value: str) -> str:
    """A flag's value as a shell would read it, without what may be secret."""
    if name in _PLACEHOLDERS:
        return f'"${name.upper().replace("-", "_")}"'
    if name == "url":
        value = re.sub(r"^(https?://)[^/?#]*@", r"\1", value)
    return shlex.quote(value)
