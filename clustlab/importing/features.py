"""Features of a trained network that stays as it is, as a data set of vectors beside its images.

The network is one of torchvision. Its weights come through torchvision where there is internet, or
from a file; either way nothing in a file is carried out.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clustlab import registry
from clustlab.data import own_sets, plain_files, torch_file
from clustlab.data.checked_json import Unreadable
from clustlab.data.free_titles import free_title
from clustlab.data.item_names import names_at
from clustlab.data.library import as_drawn
from clustlab.data.own_sets import OwnSet, SetWriter
from clustlab.device import choose_device
from clustlab.errors import DataError, ParameterError
from clustlab.importing.plan import Outcome, Watch
from clustlab.parts.inputs.sampling import fixed_order
from clustlab.types import Array, Dataset, Labelling

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

BATCH = 64
SIDE = 224  # pixels, for which the networks of torchvision were trained
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, after torchvision
WIDEST = 16_384  # numbers of a vector
NAMED = 12  # layers or networks that a message names


@dataclass(frozen=True, slots=True)
class Extraction:
    """Which layer of which network is taken.

    Parameters
    ----------
    network : str
        Name of an architecture for classification in torchvision, such as `resnet18`.
    layer : str
        Name of a module in it; empty for what goes into the last linear layer. Where it gives
        maps (c, h, w), their means (c,) over all places are taken.
    weights : Path, optional
        A file of safetensors, or one of torch that holds tensors only.
    side : int
        Pixels of a side that images are enlarged or shrunk to.
    """

    network: str = "resnet18"
    layer: str = ""
    weights: Path | None = None
    device: str = "auto"
    side: int = SIDE


def networks() -> list[str]:
    """Architectures of torchvision that classify images, by name."""
    from torchvision import models

    return [str(name) for name in models.list_models(module=models)]


def bring_in(
    dataset: str,
    how: Extraction,
    title: str,
    params: Mapping[str, Any],
    watch: Watch,
    seed: int = 0,
) -> Outcome:
    """Compute features of all images of a data set; found again where that was done before.

    Parameters
    ----------
    title : str
        What to call the new set; empty for the names of data set and network.
    params : mapping
        Settings of the data set.

    Raises
    ------
    Cancelled
        If `watch` raises it; nothing is left then.
    DataError
        If the weights do not fit the network, or what comes out is no vector of numbers.
    ParameterError
        If there is no such data set, network or layer, or the data set holds no images.
    """
    spec = registry.dataset(dataset)
    if spec.kind != "images":
        raise ParameterError(
            f"{spec.title} holds {spec.kind}, not images.", "Choose a data set of images."
        )
    network, weights = _network(how, watch)
    source = as_drawn(dataset, params, seed, watch)
    words = f"{how.network}, {how.layer or 'input of the last layer'}"
    made_by = _digest(source, how, weights)
    # drawn whole, the new set has the order of its source: runs on either have the same items
    order = np.argsort(fixed_order(len(source.items)))
    labellings = _labellings(source, order)
    names = names_at(source.item_names, order) if source.item_names else []
    for known in own_sets.own_sets().values():
        is_same = known.made_by == made_by and known.parent == dataset
        if is_same and _is_of(known, names, labellings):
            return _with_all(known, labellings)
    title = title or free_title(", ".join(filter(None, (spec.title, how.network, how.layer))))
    own_sets.check_new_name(title)
    device, _ = choose_device(how.device)
    vectors_of = _reader(network.to(device).eval(), how, device)
    images = source.items
    width = vectors_of(images[:1]).shape[1]
    with SetWriter("vectors", (width,), images.shape[1:]) as writer:
        for start in range(0, len(images), BATCH):
            watch(f"Reading features with {how.network}", start / len(images))
            rows = order[start : start + BATCH]
            some = np.asarray(images[rows])
            vectors = _finite(vectors_of(some), rows)
            writer.append(vectors, names[start : start + BATCH], some)
        own, is_new = writer.finish(
            title,
            origin=f"features of {spec.title} ({source.protocol})",
            conversion=f"Images were brought to {how.side} x {how.side} pixels for the network.",
            labellings=labellings,
            parent=dataset,
            features=words,
            made_by=made_by,
        )
    watch("Done", 1.0)
    return Outcome(own, is_new, (), 0, writer.added)


def _labellings(source: Dataset, order: Array) -> dict[str, Labelling]:
    """All sets of classes of a data set by title, the one that it is scored against first."""
    if source.labels is None:
        return {}
    every = {"class": Labelling(source.labels, source.class_names), **source.other_labels}
    return {title: Labelling(one.labels[order], one.class_names) for title, one in every.items()}


def _is_of(known: OwnSet, names: Sequence[str], labellings: Mapping[str, Labelling]) -> bool:
    """Whether features are of items that are called and labelled so, as far as they have labels."""
    try:
        if list(known.item_names()) != list(names):
            return False
        for title, own_names in known.labellings:
            one = labellings.get(title)
            is_other = one is not None and (
                one.class_names != own_names or (known.labelling(title).labels != one.labels).any()
            )
            if is_other:
                return False
    except (FileNotFoundError, Unreadable):  # it is damaged
        return False
    return True


def _with_all(known: OwnSet, labellings: Mapping[str, Labelling]) -> Outcome:
    """Features that are there, with the classes that their images have got since."""
    more = own_sets.lacking(known, labellings)
    own = own_sets.add_labellings(known.name, more) if more else known
    return Outcome(own, False, (), 0, tuple(more))


def _digest(source: Dataset, how: Extraction, weights: str) -> str:
    digest = hashlib.sha256(f"{how.network} {how.layer} {how.side} {weights}".encode())
    for start in range(0, len(source.items), 1000):
        digest.update(np.ascontiguousarray(source.items[start : start + 1000]).data)
    return digest.hexdigest()[:32]


def _finite(vectors: Array, rows: Array) -> Array:
    bad = ~np.isfinite(vectors).all(1)
    if bad.any():
        raise DataError(
            f"The network gives a number that is not finite for item {rows[bad.argmax()]}.",
            "Check the weights: those of another network, or damaged ones, do that.",
        )
    return vectors


# -- the network ---------------------------------------------------------------------------------
def _network(how: Extraction, watch: Watch) -> "tuple[nn.Module, str]":
    """Network with its weights, and what tells these from others."""
    from torchvision import models

    if how.network not in networks():
        near = [name for name in networks() if name[:6] == how.network[:6]] or networks()
        raise ParameterError(
            f"There is no network {how.network!r} in torchvision.",
            f"Choose one such as {', '.join(near[:NAMED])}.",
        )
    watch(f"Loading {how.network}", 0.0)
    if how.weights:
        network = models.get_model(how.network, weights=None)
        _fill(network, _state(how.weights), how)
        return network, hashlib.sha256(how.weights.read_bytes()).hexdigest()
    try:
        network = models.get_model(how.network, weights="DEFAULT")
    except OSError as error:  # no internet, or no place to keep them
        raise DataError(
            f"The weights of {how.network} could not be downloaded ({error}).",
            "Give a file of weights: --weights FILE, as safetensors or as torch.save keeps a "
            "state_dict.",
        ) from error
    return network, "torchvision's own"


def _fill(network: "nn.Module", state: "dict[str, Tensor]", how: Extraction) -> None:
    """Give a network its weights; its last layer, which tells classes apart, may differ or lack."""
    from torch import nn

    names = [name for name, each in network.named_modules() if isinstance(each, nn.Linear)]
    head = {f"{name}.{part}" for name in names[-1:] for part in ("weight", "bias")}
    own = network.state_dict()
    fitting = {
        name: tensor
        for name, tensor in state.items()
        if name not in head or tensor.shape == own[name].shape
    }
    try:
        missing, unknown = network.load_state_dict(fitting, strict=False)
        wrong = [*(name for name in missing if name not in head), *unknown]
        reason = f"{len(wrong):,} names differ, the first is {wrong[0]!r}" if wrong else ""
    except RuntimeError as error:  # other shapes
        reason = " ".join(str(error).split("\n\t")[1:2]) or str(error)
    if reason:
        assert how.weights is not None
        raise DataError(
            f"{how.weights.name} does not fit {how.network}: {reason.rstrip('.')}.",
            "Name the network that the weights are of.",
        )


def _state(path: Path) -> "dict[str, Tensor]":
    """Weights in a file."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ParameterError(f"There is no file {path.name!r}.", "Check the path of the weights.")
    try:
        with plain_files.opened(path.parent, path.name) as file:
            is_of_torch = file.read(2) == b"PK"
            state: Any = torch_file.tensors_in(file) if is_of_torch else load_file(path)
    except SafetensorError as error:
        raise _no_weights(path, str(error)) from error
    except Exception as error:  # torch leaves it to many parsers
        raise _no_weights(path, type(error).__name__) from error
    for inner in ("state_dict", "model"):  # as training scripts wrap them
        if isinstance(state, dict) and isinstance(state.get(inner), dict):
            state = state[inner]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise _no_weights(path, "it holds something else than tensors by name")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def _no_weights(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path.name} cannot be read as weights ({reason}).",
        "Give a file of safetensors, or the state_dict of a network as torch.save keeps it.",
    )


def _reader(
    network: "nn.Module", how: Extraction, device: "torch.device"
) -> Callable[[Array], Array]:
    """Function from images (b, h, w, c) uint8 to vectors (b, d) float32 of the chosen layer."""
    import torch
    from torch import nn
    from torch.nn import functional

    modules = dict(network.named_modules())
    if how.layer and how.layer not in modules:
        last = [name for name in modules if name][-NAMED:]
        raise ParameterError(
            f"{how.network} has no layer {how.layer!r}.", f"The last ones are {', '.join(last)}."
        )
    linear = [module for module in modules.values() if isinstance(module, nn.Linear)]
    if not how.layer and not linear:
        raise ParameterError(
            f"{how.network} has no linear layer.", "Name the layer that is to be taken."
        )
    taken: list[Tensor] = []
    if how.layer:
        modules[how.layer].register_forward_hook(lambda module, args, out: taken.append(out))
    else:
        linear[-1].register_forward_pre_hook(lambda module, args: taken.append(args[0]))
    mean = torch.tensor(MEAN, device=device)[:, None, None]
    deviation = torch.tensor(DEVIATION, device=device)[:, None, None]

    @torch.no_grad()
    def vectors_of(images: Array) -> Array:
        x = torch.from_numpy(np.ascontiguousarray(images)).to(device)
        x = x.permute(0, 3, 1, 2).float() / 255
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        size = (how.side, how.side)
        x = functional.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
        taken.clear()
        network((x - mean) / deviation)
        out = taken[-1] if taken else None
        if not isinstance(out, torch.Tensor) or len(out) != len(images):
            raise DataError(
                f"The layer {how.layer!r} gives no vector for each image.", "Name another layer."
            )
        if out.ndim == 4:
            out = out.mean((2, 3))
        out = out.flatten(1).float()
        if out.shape[1] > WIDEST:
            raise DataError(
                f"The layer {how.layer!r} gives {out.shape[1]:,} numbers for each image.",
                f"Name a layer that gives at most {WIDEST:,}.",
            )
        vectors: Array = out.cpu().numpy()
        return vectors

    return vectors_of
