"""Hyperparameters, declared once as dataclass fields.

The form, the check, the manifest, the URL, the command line and the documentation all read the
field that `param` makes; there is no second list.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from clustlab.errors import ParameterError

T = TypeVar("T")
Kind = Literal["int", "float", "bool", "choice", "shares"]

Shares = float | tuple[float, ...]
"""One share, or one for each class, in their order; as text `0.1`, or `1, 0.5, 0.1`."""

WORDS = {
    "augment": "Changed copies in training",
    "augment_clustering": "Changed copies in clustering",
    "augmented": "Changed copies",
    "balance_weight": "Weight of equal sizes",
    "belief": "Strength of prior belief",
    "beta": "Weight of the prior (beta)",
    "cluster_epochs": "Epochs of clustering",
    "cluster_learning_rate": "Learning rate of clustering",
    "cluster_temperature": "Temperature between clusters",
    "cluster_weight": "Weight of the clusters",
    "code_scale": "Factor on the code",
    "corruption": "Share of values blanked",
    "covariance": "Shape of the components",
    "critic_units": "Units of the critics",
    "delta": "Balancing (delta)",
    "depth": "Number of convolutions",
    "entropy_weight": "Weight of equal sizes",
    "evenness_weight": "Weight of using both branches",
    "features": "What is clustered",
    "first_cut": "Clusters at the first step",
    "flip": "Mirror copies",
    "gamma": "Sharpening (gamma)",
    "global_weight": "Weight of the whole image",
    "hidden_width": "Width of the hidden layers",
    "hidden_widths": "Widths of the hidden layers",
    "information_weight": "Weight of sure, balanced answers",
    "instance_temperature": "Temperature between images",
    "instance_weight": "Weight of telling images apart",
    "items_per_cluster": "Items in a fine cluster",
    "jitter": "Change brightness and contrast",
    "label_epochs": "Epochs of self-labelling",
    "layer_epochs": "Epochs per pair of layers",
    "layout_epochs": "Epochs of the layout",
    "layout_size": "Dimensions of the layout",
    "least": "Smallest half of a split",
    "local_weight": "Weight of parts of the image",
    "max_items": "Most items to cluster directly",
    "max_iter": "Most rounds",
    "max_updates": "Most updates of the target",
    "min_cluster_size": "Smallest cluster",
    "min_dist": "Least distance in the layout",
    "min_samples": "Items around a dense place",
    "most_clusters": "Most clusters in a division",
    "n": "Number of points",
    "n_background": "Background neighbours",
    "n_clusterings": "Fine clusterings",
    "n_clusters_over": "Clusters for finer training",
    "n_components": "Principal components",
    "n_features": "Width of the features",
    "n_hidden": "Width of the hidden layer",
    "n_init": "Starts of k-means",
    "n_neighbors": "Number of neighbours",
    "n_samples": "Number of items",
    "n_sizes": "Sizes shown on the way",
    "n_start": "Clusters at the start",
    "new_centers": "New centres every round",
    "passes": "Passes in an epoch",
    "pretraining": "Pre-training",
    "prior_weight": "Weight of the prior",
    "reach": "Size of the small change",
    "regularisation": "Least variance",
    "repair_empty": "Repair empty clusters",
    "repeats": "Copies of each image",
    "reset_head": "New classifier every round",
    "rotation": "Turn copies",
    "running_statistics": "Averages over past batches",
    "scale": "Enlarge and shrink copies",
    "settle_epochs": "Epochs after the last cut",
    "shear": "Slant copies",
    "shift": "Shift copies",
    "shown_item": "Item to follow",
    "sobel": "Show edges, not colours",
    "sparsity": "Share of items that use a unit",
    "sparsity_weight": "Weight of sparsity",
    "standardise": "Put columns on one scale",
    "strength": "Strength of the changes",
    "target_scope": "Items behind the target",
    "labelling": "Classes to compare with",
    "theta": "Trust in torn clusters (theta)",
    "threshold": "Confidence threshold",
    "tolerance": "Stop below this change",
    "tree_epochs": "Epochs of growing the tree",
    "unbalance": "Shares that classes keep",
    "unit_length": "Bring vectors to length 1",
    "update_interval": "Steps between updates",
    "variance": "Expected variance of a cluster",
    "warm_up_epochs": "Warm-up epochs",
    "warmup_epochs": "Warm-up epochs",
    "weights": "Weight of the edges",
    "whiten": "Equal variance in all directions",
    "whiten_columns": "Principal components on one scale",
    "whitening": "Equal variance in all directions",
    "width": "Width of the network",
}
"""What settings are called where their names alone say too little, one term for one thing."""


@dataclass(frozen=True, slots=True)
class OfItems:
    """How much of the items a setting may ask for before it loses its meaning."""

    share: float  # of the items, in (0, 1]
    beyond: str  # what a greater value comes to, as the end of a sentence


@dataclass(frozen=True, slots=True)
class Param:
    """One hyperparameter, as read from a dataclass field."""

    name: str
    kind: Kind
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    log: bool = False  # the range spans orders of magnitude
    choices: tuple[str, ...] = ()
    none_word: str = (
        ""  # the word that stands for None, such as "all"; empty if None is not allowed
    )
    advanced: bool = False  # folded away in the form
    ends_training: bool = False  # a method ends by itself below it; at its low bound it hardly does
    of_items: OfItems | None = None  # of a setting that counts items, or something that holds some
    caps_items: bool = False  # the method compares at most so many items

    @property
    def label(self) -> str:
        """Name in words, for forms, tables and the names of runs."""
        return label_of_setting(self.name)


def label_of_setting(name: str) -> str:
    """Name of a setting in words, whether or not anybody declares it (any more)."""
    words = WORDS.get(name) or name.replace("_", " ")
    if words.startswith("n "):
        words = f"number of {words[2:]}"
    return words[0].upper() + words[1:]


def param(
    default: Any,
    *,
    help: str,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    none_word: str = "",
    advanced: bool = False,
    ends_training: bool = False,
    of_items: OfItems | None = None,
    caps_items: bool = False,
) -> Any:
    """Dataclass field of a hyperparameter; its type and choices come from the annotation."""
    settings = {
        "help": help,
        "low": low,
        "high": high,
        "log": log,
        "none_word": none_word,
        "advanced": advanced,
        "ends_training": ends_training,
        "of_items": of_items,
        "caps_items": caps_items,
    }
    return dataclasses.field(default=default, metadata=settings)


ONE_ITEM_EACH = OfItems(1.0, "each cluster needs an item, so training would not start")
ALL_NEIGHBOURS = OfItems(1.0, "every item would be a neighbour of every other")


def n_clusters(default: int = 10) -> Any:
    """Number of clusters to find, in one wording for all methods."""
    return param(
        default,
        low=2,
        high=500,
        help="How many groups to find. The method does not know the true number of classes.",
        of_items=ONE_ITEM_EACH,
    )


def epochs(default: int, doc: str = "How often training passes over all items.") -> Any:
    """Number of passes over the data."""
    return param(default, low=1, high=5000, log=True, help=doc)


BATCH: dict[str, Any] = {"low": 8, "high": 4096, "log": True, "advanced": True}


def batch_size(default: int = 256) -> Any:
    """Items per optimiser step."""
    return param(
        default,
        help="Items per optimiser step. Larger batches train more smoothly and need more memory.",
        **BATCH,
    )


def later_batch_size(help: str) -> Any:
    """Items per optimiser step of a later phase; None for as many as in the first."""
    return param(None, none_word="as before", help=help, **BATCH)


def switch(help: str, default: bool = True) -> Any:
    """One of the changes that copies of an item go through."""
    return param(default, advanced=True, help=help)


def flip() -> Any:
    """Whether images may be mirrored."""
    return param(
        False,
        advanced=True,
        help="Whether images may be mirrored. Right for photographs, wrong for digits and letters.",
    )


def sobel() -> Any:
    """Whether the network sees edges."""
    return param(
        False,
        advanced=True,
        help="Show the network edges instead of colours, so that it cannot cluster by tint.",
    )


def learning_rate(default: float = 1e-3) -> Any:
    """Step size of the optimiser."""
    return param(
        default,
        low=1e-6,
        high=10.0,
        log=True,
        advanced=True,
        help="Step size of the optimiser. If it is far too large, training diverges; if it is too "
        "small, training stalls.",
    )


def n_samples(default: int | None = 10_000) -> Any:
    """Number of items drawn from a data set; None takes all."""
    return param(
        default,
        low=10,
        high=200_000,
        log=True,
        none_word="all",
        help="How many items to draw at random; the seed decides which. Fewer train faster; 'all' "
        "uses every item.",
    )


def weight_decay() -> Any:
    """Pull of the weights of a network towards 0."""
    return param(
        0.0,
        low=0.0,
        high=0.1,
        advanced=True,
        help="How strongly each update pulls all weights towards 0. A strong pull leaves only "
        "simple answers.",
    )


STANDARDISE = "standardise"  # name of the field that every data set of points has


def standardise() -> Any:
    """Whether the columns of points are put on one scale, which is done when they are loaded."""
    return param(
        False,
        help="Give every column mean 0 and deviation 1, so that none outweighs the others only "
        "because of its unit. Lengths and directions in the original space are lost.",
    )


UNBALANCE = "unbalance"  # name of the field that every data set with labels has


def unbalance() -> Any:
    """How much rarer than others classes are; items are left out when they are loaded.

    Its type is `Shares`: one is that of the last class, and those between get theirs.
    """
    return param(
        1.0,
        low=0.01,
        high=1.0,
        advanced=True,
        help="Share of its items that the last class keeps; the first keeps all, those between "
        "them shares in equal ratios. At 1 every class stays as it is. Or a share for each class, "
        "in their order, such as 1, 0.5, 0.1. Many methods make clusters of equal size: see what "
        "that does to rare classes.",
    )


WHITEN, UNIT_LENGTH = "whiten_columns", "unit_length"  # fields that data sets of vectors have


def whiten_columns() -> Any:
    """Whether vectors are turned onto their principal components, all on one scale."""
    return param(
        False,
        help="Replace the columns by their principal components, each with deviation 1, so that "
        "columns that say the same do not count twice. Weak directions weigh as much as strong "
        "ones then.",
    )


def unit_length() -> Any:
    """Whether vectors are brought to length 1."""
    return param(
        False,
        help="Divide each vector by its length, so that only its direction counts. Usual for "
        "features of a network.",
    )


LABELLING = "labelling"  # name of the field that data sets with several sets of classes have

ADDED_LATER = (STANDARDISE, UNBALANCE, WHITEN, UNIT_LENGTH, LABELLING)
"""Fields of data sets that came after the first runs: at its default, none changes what is drawn
or what that is called."""


def size_remarks(cls: type, values: Mapping[str, Any], n: int) -> list[str]:
    """What to say of settings that ask for more than n items can give; absent ones are defaults.

    Of what is no number, as somebody may have typed it, nothing is said: its field says it.
    """
    known = schema(cls)
    value_of = {p.name: values.get(p.name, p.default) for p in known}
    caps = [value_of[p.name] for p in known if p.caps_items]
    compared = min([n, *(cap for cap in caps if isinstance(cap, int | float))])
    remarks = []
    for p in known:
        value = value_of[p.name]
        if p.of_items is None or not isinstance(value, int | float):
            continue
        most = int(p.of_items.share * compared)
        if value > most:
            part = "half of " if p.of_items.share == 0.5 else ""
            whole = f"the {n:,} items"
            if compared < n:
                whole = f"the {compared:,} items that are compared, of {n:,}"
            remarks.append(
                f"{p.label} ({p.name}) is {value:,}, more than {part}{whole}: "
                f"{p.of_items.beyond}. Set it to {most:,} at most, and better to far less."
            )
    return remarks


def schema(cls: type) -> tuple[Param, ...]:
    """Hyperparameters of a dataclass, in the order of their declaration."""
    hints = typing.get_type_hints(cls)
    params = []
    for f in dataclasses.fields(cls):
        if "help" not in f.metadata:
            raise TypeError(f"{cls.__name__}.{f.name} is not declared with param()")
        kind, choices = _kind(hints[f.name])
        params.append(Param(f.name, kind, f.default, choices=choices, **f.metadata))
    return tuple(params)


def _kind(hint: Any) -> tuple[Kind, tuple[str, ...]]:
    if hint == Shares:
        return "shares", ()
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (hint,) = (a for a in typing.get_args(hint) if a is not types.NoneType)
    if typing.get_origin(hint) is Literal:
        return "choice", tuple(typing.get_args(hint))
    kinds: dict[Any, Kind] = {bool: "bool", int: "int", float: "float"}
    return kinds[hint], ()


def build(cls: type[T], values: Mapping[str, Any]) -> T:
    """Instance of a dataclass from a mapping of checked values; absent names take their default.

    Raises
    ------
    ParameterError
        Lists every unknown name, wrong type and value out of range at once.
    """
    params = {p.name: p for p in schema(cls)}
    problems, checked, hint = [], {}, "Change the named values and start again."
    for name, value in values.items():
        if name not in params:
            known = ", ".join(params) or "none"
            problems.append(f"{name} is not a parameter of {_title(cls)} (it has: {known}).")
            continue
        try:
            checked[name] = check(params[name], value)
        except ParameterError as error:
            problems.append(error.message)
    if not problems:
        try:
            return cls(**checked)
        except ParameterError as error:  # from a rule between fields, in __post_init__
            problems.append(error.message)
            hint = error.hint or hint
    raise ParameterError(" ".join(problems), hint)


def _title(cls: type) -> str:
    return str(getattr(cls, "title", cls.__name__))


def check(p: Param, value: Any) -> Any:
    """Value of the right type for a parameter, from a value or from the text of one.

    Raises
    ------
    ParameterError
        If it has the wrong type or lies outside the bounds.
    """
    is_word = isinstance(value, str) and bool(p.none_word) and value.strip().lower() == p.none_word
    if value is None or is_word:
        if p.none_word:
            return None
        raise ParameterError(f"{p.name} needs a value, got none.")
    if p.kind == "choice":
        if value not in p.choices:
            raise ParameterError(f"{p.name} must be one of {', '.join(p.choices)}, got {value!r}.")
        return value
    if p.kind == "shares":
        return _shares(p, value)
    number = _number(p, value)
    if p.kind == "bool":
        return bool(number)
    return _in_bounds(p, number)


def _in_bounds(p: Param, number: float) -> float:
    low = -math.inf if p.low is None else p.low
    high = math.inf if p.high is None else p.high
    if not low <= number <= high:
        bounds = f"[{low:.15g}, {high:.15g}]"
        raise ParameterError(f"{p.name} must lie in {bounds}, got {number:.15g}.")
    return number


def _shares(p: Param, value: Any) -> Shares:
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or len(listed) == 1:
        (value,) = listed if isinstance(listed, list | tuple) else (listed,)
        return _in_bounds(p, _number(p, value))
    if not listed:
        raise ParameterError(f"{p.name} needs a value, got none.")
    return tuple(_in_bounds(p, _number(p, each)) for each in listed)


def in_words(value: Any) -> str:
    """A value as text that `check` reads again; of several shares, with commas between them."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _number(p: Param, value: Any) -> int | float:
    text = str(value).strip().lower()
    if p.kind == "bool":
        if isinstance(value, bool) or text in ("true", "false", "yes", "no", "on", "off", "1", "0"):
            return text in ("true", "yes", "on", "1")
        raise ParameterError(f"{p.name} must be true or false, got {value!r}.")
    words = {
        "int": "a whole number",
        "float": "a number",
        "shares": "a number, or one for each class",
    }
    try:
        number = float(text.replace("_", "") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    wrong = not math.isfinite(number) or (p.kind == "int" and number != int(number))
    if isinstance(value, bool) or wrong:
        raise ParameterError(f"{p.name} must be {words.get(p.kind, 'a number')}, got {value!r}.")
    return int(number) if p.kind == "int" else number
