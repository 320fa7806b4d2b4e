"""What is asked for when a run is started."""

from dataclasses import dataclass, field
from typing import Any

from clustlab import registry


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Everything needed to run it again. Plain JSON, and also the state of the form."""

    dataset: str
    method: str
    dataset_params: dict[str, Any] = field(default_factory=dict)
    method_params: dict[str, Any] = field(default_factory=dict)
    preset: str = "standard"
    seed: int = 0
    device: str = "auto"
    mixed_precision: bool = False
    continues: str | None = None  # a finished run whose trained parts this one starts from
    excluded: list[int] = field(default_factory=list)  # rows of the data set to be left out

    @property
    def is_outside(self) -> bool:
        """Whether it is a clustering made elsewhere: it is looked at, and cannot be run again."""
        return self.method == registry.OUTSIDE
