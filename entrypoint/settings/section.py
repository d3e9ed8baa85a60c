"""What every mapping of `loadtest.yml` has in common."""

from typing import Any

from pydantic import AliasGenerator, BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A mapping in the file: kebab-case keys, unknown ones refused, never changed after it was read."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=AliasGenerator(alias=lambda name: name.replace("_", "-")),
    )


class Range(Section):
    """A mapping with `min` and `max`, which may be written `5s..30s`, or as one figure for both."""

    @model_validator(mode="before")
    @classmethod
    def _in_a_word(cls, value: Any) -> Any:  # noqa: ANN401 (what YAML gave)
        if isinstance(value, str) and ".." in value:
            low, high = value.split("..", 1)
            return {"min": low.strip(), "max": high.strip()}
        return {"min": value, "max": value} if isinstance(value, str | int | float) else value
