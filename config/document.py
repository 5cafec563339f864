"""What every document has: apiVersion, kind, metadata and spec, as in Kubernetes. Docstrings become the JSON Schema."""

from typing import Literal

from pydantic import Field

from config.fields import Name, Shape


class Metadata(Shape):
    """What the document is called."""

    name: Name
    """Unique among the documents of its kind."""
    labels: dict[str, str] = Field(default_factory=dict)
    """For people and their tools. Of a service, cost reports add up by its `team`."""


class Document(Shape):
    """What all kinds have in common."""

    api_version: Literal["equipoise.dev/v1alpha1"]
    metadata: Metadata

    @property
    def name(self) -> str:
        """The name of what it describes."""
        return self.metadata.name
