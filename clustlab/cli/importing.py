"""Commands for data of one's own: `import`, `features` and `remove`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustlab.cli.command import Command, named_values, whole_number
from clustlab.cli.output import complain, print_answer, show_progress
from clustlab.errors import ParameterError
from clustlab.runs.store import RunStore

if TYPE_CHECKING:
    from clustlab.data.own_sets import OwnSet
    from clustlab.importing.plan import Choices, Outcome, Preview, Refused

NAMED = 5  # refused items that are named one by one


# -- import --------------------------------------------------------------------------------------
def _add_import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", help="folder, archive or image; .npy, .npz or idx; CSV, TSV, Parquet or Feather"
    )
    parser.add_argument("--name", help="what to call the data set; not needed for --preview")
    parser.add_argument("--size", metavar="PIXELS", help="of all images, such as 32 or 32x48")
    parser.add_argument(
        "--fit",
        default="crop",
        choices=("crop", "pad", "stretch"),
        help="what is done to images of other proportions (default: crop)",
    )
    colour = parser.add_mutually_exclusive_group()
    colour.add_argument("--grey", action="store_true", help="make all images grey")
    colour.add_argument("--colour", action="store_true", help="make all images coloured")
    parser.add_argument(
        "--ground",
        default="black",
        choices=("black", "white"),
        help="what shows through images and pads them (default: black)",
    )
    parser.add_argument("--labels", metavar="COLUMN", help="of a table or archive; 'none' for none")
    parser.add_argument("--names", metavar="COLUMN", help="names of items; 'none' for none")
    parser.add_argument("--image", metavar="COLUMN", help="images; 'none' for none")
    parser.add_argument(
        "--images-of", metavar="DATASET", help="imported images that the vectors are of: shown"
    )
    parser.add_argument(
        "--features", nargs="+", metavar="COLUMN", help="that hold features, or vectors"
    )
    parser.add_argument("--more-labels", nargs="+", default=[], metavar="COLUMN")
    parser.add_argument("--most-items", metavar="N", help="more than so many are refused")
    parser.add_argument("--most-bytes", metavar="N", help="of all items, unpacked")
    parser.add_argument("--most-bytes-each", metavar="N", help="larger files are refused")
    parser.add_argument("--most-pixels", metavar="N", help="larger images are refused")
    parser.add_argument("--preview", action="store_true", help="say what would come in, and stop")
    parser.add_argument("--strict", action="store_true", help="import nothing if anything is wrong")


def _import(args: argparse.Namespace) -> int:
    from clustlab.importing.plan import SomeRefused

    path, choices = Path(args.path), _choices(args)
    if not path.exists():
        raise ParameterError(f"There is no {args.path!r}.", "Check the path.")
    if not args.preview and not args.name:
        raise ParameterError(
            "The data set needs a name.", "Give one, such as --name 'My data', or look: --preview."
        )
    seen = _previewed(path, args, choices)
    for sentence in (*seen.facts, *seen.warnings):
        complain(sentence)
    if args.preview or (args.strict and seen.n_refused):
        return _nothing_imported(seen, seen.refused, seen.n_refused, 0 if args.preview else 2)
    try:
        outcome = _brought_in(path, args, choices)
    except SomeRefused as error:  # beyond what the preview has looked at
        return _nothing_imported(seen, error.refused, error.n_refused, 2)
    _name_refused(outcome.refused, outcome.n_refused)
    if not outcome.is_new:
        complain(f"The same items are there already, as {outcome.own.name!r}.")
    if outcome.added:
        complain(f"It has got the classes {', '.join(map(repr, outcome.added))}.")
    return print_answer(_answer(outcome))


def _nothing_imported(
    seen: "Preview", refused: "Sequence[Refused]", n_refused: int, code: int
) -> int:
    """Say what would come in and what not."""
    _name_refused(refused, n_refused)
    answer = {"items": seen.n_items, "shape": seen.shape, "classes": len(seen.class_counts)}
    told = {"count": n_refused, "reasons": _reasons(refused)}
    print_answer(
        {"dataset": None, **answer, "refused": told, "bytes": seen.nbytes, "memory": seen.memory}
    )
    return code


def _previewed(path: Path, args: argparse.Namespace, choices: "Choices") -> "Preview":
    from clustlab.importing import shown_images, sources

    if args.images_of is None:
        return sources.preview(path, choices)
    return shown_images.preview(path, args.images_of, choices)


def _brought_in(path: Path, args: argparse.Namespace, choices: "Choices") -> "Outcome":
    from clustlab.importing import shown_images, sources

    if args.images_of is None:
        return sources.bring_in(path, args.name, choices, show_progress)
    return shown_images.bring_in(path, args.images_of, args.name, choices, show_progress)


def _choices(args: argparse.Namespace) -> "Choices":
    from clustlab.importing.plan import Choices, Limits

    limits = Limits()
    labels, names, image = (
        "" if given == "none" else given for given in (args.labels, args.names, args.image)
    )
    return Choices(
        size=_size(args.size),
        fit=args.fit,
        colour="grey" if args.grey else "colour" if args.colour else "as they are",
        ground=args.ground,
        labels=labels,
        names=names,
        image=image,
        features=tuple(args.features) if args.features else None,
        others=tuple(args.more_labels),
        strict=args.strict,
        limits=Limits(
            items=_at_most("--most-items", args.most_items, limits.items),
            bytes_in_all=_at_most("--most-bytes", args.most_bytes, limits.bytes_in_all),
            bytes_of_one=_at_most("--most-bytes-each", args.most_bytes_each, limits.bytes_of_one),
            pixels_of_one=_at_most("--most-pixels", args.most_pixels, limits.pixels_of_one),
        ),
    )


def _at_most(name: str, text: str | None, usual: int) -> int:
    return usual if text is None else max(1, whole_number(name, text, f"{name} {usual}"))


def _size(text: str | None) -> tuple[int, int] | None:
    """Height and width of `32`, or of `32x48`."""
    if text is None:
        return None
    sides = [whole_number("size", part, "--size 32") for part in text.lower().split("x")]
    if len(sides) > 2 or not all(1 <= side <= 1024 for side in sides):
        raise ParameterError(
            f"--size must be one or two numbers from 1 to 1,024, got {text!r}.",
            "For example: --size 32, or --size 32x48 for height and width.",
        )
    return sides[0], sides[-1]


def _name_refused(refused: Any, n_refused: int) -> None:
    for each in refused[:NAMED]:
        complain(f"refused: {each.name}: {each.reason}")
    if n_refused > NAMED:
        complain(f"refused: {n_refused - NAMED:,} more")


def _answer(outcome: "Outcome") -> dict[str, Any]:
    """What an import has brought, as its command prints it."""
    refused = {"count": outcome.n_refused, "reasons": _reasons(outcome.refused)}
    return {**about(outcome.own), "new": outcome.is_new, "refused": refused}


def _reasons(refused: Any) -> dict[str, int]:
    from clustlab.importing.plan import reasons

    return reasons(refused)


def about(own: "OwnSet") -> dict[str, Any]:
    """Facts of an imported set for programs."""
    return {
        "dataset": own.name,
        "items": len(own),
        "classes": len(own.labellings[0][1]) if own.labellings else 0,
        "shape": own.shape[1:],
        "fingerprint": own.fingerprint,
    }


# -- features ------------------------------------------------------------------------------------
def _add_features_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="a data set of images")
    parser.add_argument("--network", default="resnet18", help="an architecture of torchvision")
    parser.add_argument(
        "--weights", metavar="FILE", help="safetensors or a checkpoint (default: torchvision's own)"
    )
    parser.add_argument("--layer", metavar="NAME", help="default: what goes into the last layer")
    parser.add_argument("--data", nargs="+", action="extend", default=[], metavar="name=value")
    parser.add_argument("--name", help="what to call it (default: data set and network)")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")


def _features(args: argparse.Namespace) -> int:
    from clustlab.importing import features

    outcome = features.bring_in(
        args.dataset,
        features.Extraction(
            network=args.network,
            layer=args.layer or "",
            weights=Path(args.weights) if args.weights else None,
            device=args.device,
        ),
        args.name or "",
        named_values(args.data),
        show_progress,
    )
    return print_answer({**_answer(outcome), "features": outcome.own.features})


# -- remove --------------------------------------------------------------------------------------
def _add_remove_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="an imported data set")
    parser.add_argument("--yes", action="store_true", help="also if runs were made on it")


def _remove(args: argparse.Namespace) -> int:
    from clustlab.data import own_sets

    store = RunStore(args.runs)
    runs = [run.id for run in store.runs() if run.spec.dataset == args.dataset]
    is_there = args.dataset in own_sets.own_sets() or args.dataset in own_sets.unreadable()
    if is_there and runs and not args.yes:
        raise ParameterError(
            f"{len(runs):,} runs were made on {args.dataset!r}, the first is {runs[0]}. They keep "
            "the items that they were given, but cannot be started again without the data set.",
            "To remove it all the same, add --yes.",
        )
    own_sets.remove(args.dataset)
    return print_answer({"removed": args.dataset, "runs": runs})


IMPORT = Command(
    "import", "Make a data set of images, vectors or a table.", _import, _add_import_arguments
)
FEATURES = Command(
    "features",
    "Make a data set of what a trained network sees in images.",
    _features,
    _add_features_arguments,
)
REMOVE = Command("remove", "Remove an imported data set.", _remove, _add_remove_arguments)
