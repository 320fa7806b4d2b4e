"""The commands `new`, which writes a skeleton that works, and `docs`, which mends tables."""

import argparse
import importlib
import keyword
import re
from dataclasses import dataclass
from pathlib import Path

import clustlab
from clustlab import registry
from clustlab.cli import documents
from clustlab.cli.command import Command
from clustlab.cli.output import print_answer
from clustlab.errors import ParameterError

SKELETONS = Path(__file__).parent / "skeletons"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
COURSE_END = 99  # number of a lesson in the skeleton


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that can be added as one file."""

    folder: str  # of the package
    contract: str  # tests that every one of its kind has to pass


KINDS = {
    "method": Kind("methods", "tests/methods/test_methods.py"),
    "dataset": Kind("datasets", "tests/engine/test_datasets.py"),
    "lesson": Kind("lessons", "tests/lessons/test_lessons.py"),
}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument("name", help="lower-case letters, digits and hyphens, such as deep-kmeans")


def _new(args: argparse.Namespace) -> int:
    kind = KINDS[args.kind]
    module = args.name.replace("-", "_")
    file = Path(clustlab.__file__).parent / kind.folder / f"{module}.py"
    _check(args.kind, args.name, file)
    file.write_text(_skeleton(args.kind, args.name), encoding="utf-8")
    changed = [str(file.relative_to(documents.ROOT))]
    if args.kind != "lesson":
        importlib.invalidate_caches()
        registry.methods.cache_clear()
        registry.installed_datasets.cache_clear()
        changed += documents.refresh()
    print_answer({"written": changed, "test": f"pytest {kind.contract} -k {args.name}"})
    return 0


def _check(kind: str, name: str, file: Path) -> None:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ParameterError(
            f"{name!r} cannot be the name of a {kind}.",
            "Use lower-case letters, digits and hyphens, starting with a letter: deep-kmeans.",
        )
    if (kind, name) == ("method", registry.OUTSIDE):
        raise ParameterError(
            f"The name {name!r} stands for clusterings made elsewhere.", "Choose another name."
        )
    known = registry.methods() if kind == "method" else registry.datasets()
    is_known = kind != "lesson" and name in known
    if is_known or file.exists() or file.with_suffix("").exists():
        raise ParameterError(f"There is a {kind} {name!r} already.", "Choose another name.")


def _skeleton(kind: str, name: str) -> str:
    """Text of a new file: the skeleton with the name in place of its own."""
    words = name.split("-")
    text = (SKELETONS / f"{kind}.py").read_text(encoding="utf-8")
    text = text.replace("Skeleton title", " ".join(words).capitalize())
    text = text.replace("SkeletonClass", "".join(word.capitalize() for word in words))
    text = text.replace("skeleton-name", name)
    if kind == "lesson":
        text = text.replace(f"    {COURSE_END},  #", f"    {_next_number()},  #")
    return text


def _next_number() -> int:
    from clustlab.course.catalogue import lessons

    return max((lesson.number for lesson in lessons().values()), default=0) + 1


def _docs(args: argparse.Namespace) -> int:
    return print_answer({"written": documents.refresh()})


NEW = Command(
    "new", "Write a method, a data set or a lesson that works, to start from.", _new, _add_arguments
)
DOCS = Command(
    "docs", "Bring the tables of README.md and CONTRIBUTING.md up to date.", _docs, lambda _: None
)
