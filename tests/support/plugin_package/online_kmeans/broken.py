"""Methods that cannot be used, each for another reason."""

from dataclasses import dataclass
from types import MappingProxyType

from online_kmeans import OnlineKMeans


@dataclass(frozen=True)
class Undeclared(OnlineKMeans):
    """A setting that is not declared as one."""

    name = "undeclared"
    k: int = 3


@dataclass(frozen=True)
class WithoutQuick(OnlineKMeans):
    """No preset to start with."""

    name = "without-quick"
    presets = MappingProxyType({"standard": {}})


@dataclass(frozen=True)
class WrongPreset(OnlineKMeans):
    """A preset with a value that is not allowed."""

    name = "wrong-preset"
    presets = MappingProxyType({"quick": {"n_clusters": 1}})


@dataclass(frozen=True)
class Outside(OnlineKMeans):
    """A name that stands for something else."""

    name = "outside"
