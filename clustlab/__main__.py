"""The engine without a browser: `python -m clustlab train ...`.

The last line of standard output is JSON; progress goes to standard error. Exit code 0 means done,
1 that the run ended otherwise, 2 that the input was not valid.
"""

import argparse
import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from clustlab.cli import questions
from clustlab.errors import ClustlabError, ParameterError, RunNotFound
from clustlab.runs.store import Run, RunSpec, RunStore

PATIENCE = 10.0  # seconds for which a cancelled run may take to end
INTERRUPTED = 130  # what shells expect after Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    logging.getLogger("clustlab").addHandler(logging.NullHandler())  # the run keeps tracebacks
    args = _parser().parse_args(argv)
    try:
        return int(args.command(args))
    except ClustlabError as error:
        _complain(str(error))
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # most likely a folder of runs that cannot be written
        _complain(f"{error}. Choose another folder with --runs.")
    except KeyboardInterrupt:
        return INTERRUPTED
    return 2


def _complain(text: str) -> None:
    print("clustlab:", " ".join(text.split()), file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        _complain(f"{message}. Run '{self.prog} --help' for what there is.")
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m clustlab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, command: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--runs", help="folder of runs (default: CLUSTLAB_RUNS, or ./runs)")
        sub.set_defaults(command=command)
        return sub

    train = add("train", _train, "Train a method on a data set.")
    train.add_argument("--dataset", required=True)
    train.add_argument("--method", required=True)
    train.add_argument("--preset", default="standard", help="quick, standard or paper")
    train.add_argument("--set", nargs="+", action="extend", default=[], metavar="name=value")
    train.add_argument("--data", nargs="+", action="extend", default=[], metavar="name=value")
    train.add_argument("--seed", default="0", help="a whole number; same seed, same result")
    train.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    train.add_argument("--mixed-precision", action="store_true", help="bfloat16, on CUDA only")
    train.add_argument("--continue-from", metavar="RUN", help="start from a finished run's network")
    resume = add("resume", _resume, "Go on with a run that was stopped.")
    resume.add_argument("run")
    show = add("show", _show, "Show one run.")
    show.add_argument("run")
    show.add_argument("--probe", action="store_true", help="also a kNN probe of the last embedding")
    work = add("work", _work, "Carry out a queued run (what the process runner calls).")
    work.add_argument("run")
    questions.register(add)
    for name, command, text in (
        ("list", _list, "List runs."),
        ("methods", _methods, "List methods and their parameters."),
        ("datasets", _datasets, "List data sets and their parameters."),
    ):
        sub = add(name, command, text)
        sub.add_argument("--json", action="store_true", help="JSON also on a terminal")
    return parser


# -- training ----------------------------------------------------------------------------------
def _train(args: argparse.Namespace) -> int:
    from clustlab import registry
    from clustlab.training.runner import new_run

    presets = registry.method(args.method).presets
    if args.preset not in presets:
        raise ParameterError(
            f"There is no preset {args.preset!r}.", f"Choose one of: {', '.join(presets)}."
        )
    spec = RunSpec(
        dataset=args.dataset,
        method=args.method,
        dataset_params=_pairs(args.data),
        method_params={**presets[args.preset], **_pairs(args.set)},
        preset=args.preset,
        seed=_seed(args.seed),
        device=args.device,
        mixed_precision=args.mixed_precision,
        continues=args.continue_from,
    )
    store = RunStore(args.runs)
    return _carry_out(store, new_run(store, spec))


def _resume(args: argparse.Namespace) -> int:
    from clustlab.training.runner import requeue

    store = RunStore(args.runs)
    run = store.run(args.run)
    requeue(run)
    return _carry_out(store, run)


def _work(args: argparse.Namespace) -> int:
    from clustlab.training.runner import execute, yield_to_server

    yield_to_server()
    store = RunStore(args.runs)
    execute(store.root, store.run(args.run).id)
    return 0


def _carry_out(store: RunStore, run: Run) -> int:
    """Train in a thread and draw a progress bar; Ctrl-C cancels and keeps what is committed."""
    from clustlab.training.runner import execute

    ended = threading.Event()  # not Thread.join, which takes an interrupt for the end

    def work() -> None:
        try:
            execute(store.root, run.id)
        finally:
            ended.set()

    threading.Thread(target=work, daemon=True).start()
    try:
        _watch(run, ended)
    except KeyboardInterrupt:
        with contextlib.suppress(RunNotFound):  # deleted meanwhile
            run.request("cancel")
        ended.wait(PATIENCE)
    result = _result(store, run)
    print(json.dumps(result))
    state = run.progress
    if state.get("error"):
        _complain(f"{state['error']} {state.get('hint', '')}")
    return 0 if result["status"] == "done" else 1


def _watch(run: Run, ended: threading.Event) -> None:
    from tqdm import tqdm

    bar_format = "{desc} {percentage:3.0f}%|{bar}| {postfix}"
    with tqdm(total=1.0, bar_format=bar_format, disable=not sys.stderr.isatty()) as bar:
        while not ended.wait(0.2):
            state = run.progress
            bar.n = float(state.get("fraction") or 0.0)
            bar.set_description_str(f"{state.get('phase', '')} {state.get('done', '')}".strip())
            if state.get("eta") is not None:
                bar.set_postfix_str(f"{state['eta']:.0f} s left")
            bar.refresh()


def _result(store: RunStore, run: Run) -> dict[str, Any]:
    """Last figures of a run; scores are null where there are no labels or no snapshot."""
    from clustlab.analysis import run_scores

    state = run.progress
    result: dict[str, Any] = {
        "run": run.id,
        "status": state["status"],
        "steps": len(run),
        "seconds": state.get("seconds"),
        **dict.fromkeys(("acc", "nmi", "ari", "n_occupied", "share_clustered")),
    }
    with contextlib.suppress(RunNotFound):  # its items or the run itself are gone
        result.update(run_scores.of_run(run, store.dataset(run)))
    return result


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ParameterError(
            f"The seed must be a whole number, got {text!r}.", "For example: --seed 1."
        ) from error


def _pairs(words: Sequence[str]) -> dict[str, str]:
    return dict(questions.pair(word) for word in words)


# -- listings ----------------------------------------------------------------------------------
def _show(args: argparse.Namespace) -> int:
    import dataclasses

    store = RunStore(args.runs)
    run = store.run(args.run)
    about = {**_result(store, run), "spec": dataclasses.asdict(run.spec), "progress": run.progress}
    about["protocol"] = None
    with contextlib.suppress(RunNotFound):  # not loaded yet, or gone
        about["protocol"] = store.dataset(run).protocol
    if args.probe:
        about["knn_probe"] = _probe(store, run)
    print(json.dumps(about))
    return 0


def _probe(store: RunStore, run: Run) -> float | None:
    from clustlab.analysis import probes

    labels = store.dataset(run).labels if len(run) else None
    return None if labels is None else probes.knn_probe(run[-1].embedding, labels)


def _list(args: argparse.Namespace) -> int:
    store = RunStore(args.runs)
    rows = [{"title": r.title, "bytes": r.size, **_result(store, r)} for r in store.runs()]
    return _print_rows(args, rows, ("run", "status", "steps", "title"))


def _methods(args: argparse.Namespace) -> int:
    from clustlab import registry

    rows = [
        {
            "name": m.name,
            "title": m.title,
            "idea": m.idea,
            "step_unit": m.step_unit,
            "accepts": m.accepts,
            "presets": {k: dict(v) for k, v in m.presets.items()},
            "parameters": _parameters(m),
        }
        for m in registry.methods().values()
    ]
    return _print_rows(args, rows, ("name", "idea"))


def _datasets(args: argparse.Namespace) -> int:
    from clustlab import registry

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
    return _print_rows(args, rows, ("name", "title"))


def _parameters(cls: type) -> list[dict[str, Any]]:
    from clustlab.params import schema

    return [{f: getattr(p, f) for f in p.__slots__} for p in schema(cls)]


def _print_rows(
    args: argparse.Namespace, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> int:
    """Print a table on a terminal, JSON for programs."""
    if args.json or not sys.stdout.isatty():
        print(json.dumps(rows))
        return 0
    widths = [max((len(str(r[c])) for r in rows), default=0) for c in columns[:-1]]
    for row in rows:
        cells = [str(row[c]).ljust(w) for c, w in zip(columns, [*widths, 0], strict=True)]
        print("  ".join(cells).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
