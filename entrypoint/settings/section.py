"""What every mapping of `loadtest.yml` has in common."""

from pydantic import AliasGenerator, BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping in the file: kebab-case keys, unknown ones refused, never changed after it was read."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=AliasGenerator(alias=lambda name: name.replace("_", "-")),
    )
