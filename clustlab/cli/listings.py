"""Commands that list what there is: `methods` and `datasets`, with their parameters."""

import argparse
import dataclasses
from typing import Any

from clustlab import registry
from clustlab.cli.command import Command
from clustlab.cli.output import add_json_argument, print_rows
from clustlab.cli.remembered import Rows, remembered
from clustlab.params import schema


def _methods(args: argparse.Namespace) -> int:
    if registry.has_packages("methods"):  # whose code may change without ours
        return print_rows(args, _method_rows(), ("name", "idea"))
    return print_rows(args, remembered("methods", _method_rows), ("name", "idea"))


def _method_rows() -> Rows:
    return [
        {
            "name": m.name,
            "title": m.title,
            "idea": m.idea,
            "step_unit": m.step_unit,
            "accepts": m.accepts,
            "capabilities": registry.capabilities(m),
            "presets": {k: dict(v) for k, v in m.presets.items()},
            "parameters": _parameters(m),
        }
        for m in registry.methods().values()
    ]


def _datasets(args: argparse.Namespace) -> int:
    rows = [
        {
            "name": d.name,
            "title": d.title,
            "kind": d.kind,
            "licence": d.licence,
            "offline": d.offline,
            "parameters": _parameters(d),
        }
        for d in registry.datasets().values()
    ]
    return print_rows(args, rows, ("name", "title"))


def _parameters(cls: type) -> list[dict[str, Any]]:
    return [dataclasses.asdict(p) for p in schema(cls)]


METHODS = Command("methods", "List methods and their parameters.", _methods, add_json_argument)
DATASETS = Command("datasets", "List data sets and their parameters.", _datasets, add_json_argument)
