"""What GitHub's runner makes of a step's files and output, written from its sources and not from ours."""

import re
from dataclasses import dataclass, field

_COMMANDS = """add-mask add-matcher add-path debug echo endgroup error group notice pause-logging remove-matcher
save-state set-env set-output stop-commands warning"""
REGISTERED = frozenset(_COMMANDS.split())


@dataclass(frozen=True)
class Command:
    name: str
    data: str
    properties: dict[str, str] = field(default_factory=dict)


def read_outputs(text: str) -> dict[str, str]:
    """FileCommandManager.cs: `name=value` or `name<<DELIMITER`, lines end with a line feed alone."""
    outputs: dict[str, str] = {}
    lines = text.split("\n")
    assert lines.pop() == "", "the last line is not ended"
    rest = iter(lines)
    for line in rest:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line.split("=", 1)
        elif heredoc >= 0:
            name, delimiter = line.split("<<", 1)
            assert name, "a name must not be empty"
            assert delimiter, "a delimiter must not be empty"
            value = "\n".join(_until(rest, delimiter))
        else:
            raise AssertionError(f"invalid format {line!r}")
        outputs[name] = value
    return outputs


def _until(lines, delimiter):
    for line in lines:
        if line == delimiter:
            return
        yield line
    raise AssertionError(f"matching delimiter not found: {delimiter}")


def obeyed(output: str, registered: frozenset[str] = REGISTERED) -> list[Command]:
    """ActionCommand.cs and ActionCommandManager.cs: the commands that the runner would carry out, in order."""
    done: list[Command] = []
    token = ""
    for line in re.split(r"\r\n|\r|\n", output):
        command = _modern(line, registered | {token}) or _legacy(line, registered | {token})
        if command is None:
            continue
        if token:
            token = "" if command.name == token else token
            continue
        if command.name == "stop-commands":
            assert command.data, "a stop token must not be empty"
            assert command.data not in registered, "a stop token must not be a command"
            token = command.data
        done.append(command)
    return done


def _modern(line: str, registered: frozenset[str]) -> Command | None:
    text = line.lstrip()
    if not text.startswith("::"):
        text = _without_ignorable(line).lstrip()
    if not text.startswith("::") or (end := text.find("::", 2)) < 0:
        return None
    name, _, written = text[2:end].partition(" ")
    if not name or name not in registered:
        return None
    pairs = (pair.split("=", 1) for pair in written.strip().split(",") if "=" in pair)
    properties = {
        key: _unescaped(value, ("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ",")) for key, value in pairs
    }
    return Command(name, _unescaped(text[end + 2 :], ("%0D", "\r"), ("%0A", "\n")), properties)


def _legacy(line: str, registered: frozenset[str]) -> Command | None:
    found = re.search(r"##\[([^\]]*)\](.*)", _without_ignorable(line))
    if not found or not (name := found[1].split(" ")[0]) or name not in registered:
        return None
    return Command(name, found[2])


def _without_ignorable(line: str) -> str:
    """.NET's culture-aware search passes over these."""
    return re.sub(r"[\x00-\x08\x0e-\x1f\x7f\xad\u200b-\u200f\u2060\ufeff]", "", line)


def _unescaped(text: str, *pairs: tuple[str, str]) -> str:
    for written, meant in (*pairs, ("%25", "%")):
        text = text.replace(written, meant)
    return text
