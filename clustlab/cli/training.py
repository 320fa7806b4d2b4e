"""Commands that train: `train`, `resume`, `longer`, and `work`, which carries out a queued run."""

import argparse
import contextlib
import dataclasses
import sys
from typing import Any

from clustlab.cli.command import Command, named_values, whole_number
from clustlab.cli.output import complain, print_answer
from clustlab.cli.runs import alarms, last_figures
from clustlab.errors import ClustlabError, ParameterError
from clustlab.runs.store import Run, RunSpec, RunStore


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--method", required=True)
    parser.add_argument("--preset", default="standard", help="quick, standard or paper")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="name=value")
    parser.add_argument("--data", nargs="+", action="extend", default=[], metavar="name=value")
    parser.add_argument("--seed", default="0", help="a whole number; same seed, same result")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument(
        "--mixed-precision",
        action="store_true",
        help="networks in bfloat16, on CUDA only; methods without a network ignore it",
    )
    parser.add_argument(
        "--continue-from", metavar="RUN", help="start from a finished run's network"
    )


def _train(args: argparse.Namespace) -> int:
    from clustlab import registry
    from clustlab.training.worker import new_run

    presets = registry.method(args.method).presets
    if args.preset not in presets:
        raise ParameterError(
            f"There is no preset {args.preset!r}.", f"Choose one of: {', '.join(presets)}."
        )
    spec = RunSpec(
        dataset=args.dataset,
        method=args.method,
        dataset_params=named_values(args.data),
        method_params={**presets[args.preset], **named_values(args.set)},
        preset=args.preset,
        seed=whole_number("seed", args.seed, "--seed 1"),
        device=args.device,
        mixed_precision=args.mixed_precision,
        continues=args.continue_from,
    )
    store = RunStore(args.runs)
    run = new_run(store, spec)
    _remark(store, run.spec)
    return _carry_out(store, run)


def _remark(store: RunStore, spec: RunSpec) -> None:
    """Print what is to be said of items and settings before the training, if the items are here."""
    from clustlab import registry
    from clustlab.data import feature_scales, library
    from clustlab.params import build, size_remarks

    drawn = spec.dataset, spec.dataset_params, spec.seed
    with contextlib.suppress(ClustlabError):  # the run will say it
        if build(registry.dataset(spec.dataset), spec.dataset_params).is_ready():
            items = library.load(store.root, *drawn).items
            method = registry.method(spec.method)
            for remark in (
                *feature_scales.remarks(items),
                *size_remarks(method, spec.method_params, len(items)),
            ):
                complain(remark)


def _add_run_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")


def _resume(args: argparse.Namespace) -> int:
    from clustlab.training.worker import requeue

    store = RunStore(args.runs)
    run = store.run(args.run)
    requeue(run)
    return _carry_out(store, run)


def _add_longer_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument(
        "--by", metavar="N", help="how many more epochs or rounds (default: half of what there was)"
    )
    parser.add_argument(
        "--beyond", action="store_true", help="go on although the method stopped by its own rule"
    )


def _longer(args: argparse.Namespace) -> int:
    from clustlab.training.longer import how_to_train_longer
    from clustlab.training.worker import lengthen

    store = RunStore(args.runs)
    run = store.run(args.run)
    items = store.dataset(run).items
    how = how_to_train_longer(run, len(items), items.shape[1:])
    if how is None:
        raise ParameterError(
            f"No setting of {run.manifest['method_title']} says how long it trains.",
            "Change its settings and train anew.",
        )
    more = how.proposed if args.by is None else whole_number("number of steps", args.by, "--by 5")
    return _carry_out(store, lengthen(store, run, how, more, beyond=args.beyond))


def _add_repeat_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument(
        "--against", metavar="RUN", help="train nothing: compare with a run that there is"
    )


def _repeat(args: argparse.Namespace) -> int:
    from clustlab.analysis.repetition import repetition

    store = RunStore(args.runs)
    run = store.run(args.run)
    again = _carried_out_again(store, run) if args.against is None else store.run(args.against)
    repeated = repetition(run, again)
    for name, (then, now) in repeated.machine.items():
        complain(f"Another {name}: {then} then, {now} now.")
    if repeated.settings:
        complain(f"Not the same run: it differs in {', '.join(repeated.settings)}.")
    about = {"repeats": run.id, "exact": repeated.is_exact, **dataclasses.asdict(repeated)}
    print_answer({"run": again.id, "status": again.status, **about})
    return 0 if repeated.is_exact else 1


def _carried_out_again(store: RunStore, run: Run) -> Run:
    """The same once more; raises `ClustlabError` if it cannot be had."""
    from clustlab.analysis.repetition import check_repeatable
    from clustlab.scripting.runs import carry_out
    from clustlab.training.worker import new_run

    check_repeatable(run)
    again = new_run(store, run.spec)
    carry_out(store, again, progress=sys.stderr.isatty())
    return again


def _add_work_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", help="without it, those named on standard input")
    parser.add_argument("--on-ray", action="store_true", help="hand them to a Ray cluster")


def _work(args: argparse.Namespace) -> int:
    store = RunStore(args.runs)
    if args.on_ray:
        from clustlab.training.ray_driver import drive

        return drive(store.root)
    if args.run is None:
        from clustlab.training.worker_process import work_for_server

        work_for_server(store.root)
        return 0
    from clustlab.training.runner import yield_to_server
    from clustlab.training.worker import execute

    yield_to_server()
    execute(store.root, store.run(args.run).id)
    return 0


def _carry_out(store: RunStore, run: Run) -> int:
    """Train with a progress bar; Ctrl-C cancels and keeps what is committed."""
    from clustlab.scripting.runs import carry_out

    carry_out(store, run, progress=sys.stderr.isatty())
    figures = last_figures(store, run) | {"alarms": alarms(run)}
    print_answer(figures)
    if figures["status"] == "done":
        _complain_of_what_came_out(run, figures)
    state = run.progress
    if state.get("error"):
        complain(f"{state['error']} {state.get('hint', '')}")
    return 0 if figures["status"] == "done" else 1


def _complain_of_what_came_out(run: Run, figures: dict[str, Any]) -> None:
    """Say which alarms hold at the last step: a run that is done may still have failed."""
    for alarm in figures["alarms"] or ():
        if alarm["until"] == figures["steps"] - 1:
            complain(f"Alarm: {alarm['title'].lower()} since step {alarm['step']}.")
    if figures["missing_steps"]:
        n = len(figures["missing_steps"])
        complain(f"{run.title}: {n} {'steps are' if n > 1 else 'step is'} missing; resume it.")


TRAIN = Command("train", "Train a method on a data set.", _train, _add_train_arguments)
RESUME = Command("resume", "Continue a run that was stopped.", _resume, _add_run_argument)
LONGER = Command(
    "longer",
    "Train a finished run longer: a new run begins with its steps and goes on.",
    _longer,
    _add_longer_arguments,
)
REPEAT = Command(
    "repeat",
    "Carry out a run once more, and say whether and why it comes out otherwise.",
    _repeat,
    _add_repeat_arguments,
)
WORK = Command("work", "Carry out queued runs (called by the runners).", _work, _add_work_arguments)
