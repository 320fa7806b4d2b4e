"""What every method promises, checked on all that are registered: a new one needs no edit here."""

import ast
import inspect
import io
import itertools
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.optim.optimizer import register_optimizer_step_post_hook

from clustlab import registry
from clustlab.analysis import scalar_catalogue
from clustlab.context import Context
from clustlab.errors import Cancelled, ParameterError
from clustlab.params import build, schema
from clustlab.parts.inputs.network_input import Inputs
from clustlab.types import Cost, MethodFamily, Role, Snapshot

METHODS = registry.methods()
EVERY = pytest.mark.parametrize("name", METHODS)
HEADINGS = ["Idea", "What to watch", "Where it fails", "Source"]
N = 64
ROUNDING = 1e-4  # of single precision, where a scalar is a sum over items
HALF = 0.25  # by which losses of the first epochs may differ when layers compute in bfloat16

KEEP = (
    "what lives longer than an iteration goes through `ctx.keep`, random draws come from "
    "`ctx.rng`, and the yield is the last statement of its loop (CONTRIBUTING.md)"
)

# Small values by the name of the parameter; the rest keeps its default.
SMALL = {
    "n_clusters": 5,
    "n_init": 2,
    "batch_size": 32,
    "update_interval": 2,
    "hidden_widths": "100-100-400",
    "min_cluster_size": 5,
}
SMALL_ENDINGS = {"epochs": 2, "max_iter": 2, "updates": 2}
# What a method needs beyond that, to be small.
OVERRIDES: dict[str, dict[str, Any]] = {
    "deepcluster": {"n_clusters_over": 10},
    "cohiclust": {"tree_depth": 3, "batch_size": 64, "width": 4},  # it takes an epoch a leaf
}
# Methods that draw nothing as long as all items fit: another seed must change nothing.
DRAWS_NOTHING = {"agglomerative", "hdbscan"}
# Methods that are told the number of clusters; the others find it.
CHOOSES_K = [n for n in METHODS if "n_clusters" in {p.name for p in schema(METHODS[n])}]


def tiny(name: str, **values: Any) -> Any:
    """Method with settings that train in moments."""
    names = [p.name for p in schema(registry.method(name))]
    small = {n: small_value(n) for n in names if small_value(n) is not None}
    if name not in CHOOSES_K:
        values.pop("n_clusters", None)
    return build(registry.method(name), {**small, **OVERRIDES.get(name, {}), **values})


def small_value(parameter: str) -> Any:
    by_ending = (v for ending, v in SMALL_ENDINGS.items() if parameter.endswith(ending))
    by_start = 8 if parameter.startswith("n_clusters_") else None  # over-clustering
    return SMALL.get(parameter, next(by_ending, by_start))


@cache
def digits(n: int = N) -> np.ndarray:
    items = (load_digits().images[:n] * 255 / 16).round().astype(np.uint8)[..., None]
    items.flags.writeable = False  # as they come out of the library of data sets
    return items


@cache
def points(n: int = N) -> np.ndarray:
    rng = np.random.default_rng(0)
    items = (rng.normal(size=(n, 2)) + 5 * rng.integers(0, 3, (n, 1))).astype(np.float32)
    items.flags.writeable = False
    return items


@cache
def noise(side: int, channels: int, n: int) -> np.ndarray:
    shape = (n, side, side, channels)
    items = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    items.flags.writeable = False
    return items


def usual_items(name: str) -> np.ndarray:
    return digits() if "images" in registry.method(name).accepts else points()


@dataclass
class Told:
    """One uninterrupted run and what was seen of it."""

    snapshots: list[Snapshot] = field(default_factory=list)
    checkpoints: list[bytes] = field(default_factory=list)
    phases: list[tuple[str, int, int]] = field(default_factory=list)
    boxes: set[str] = field(default_factory=set)
    polls: int = 0
    longest: float = 0.0  # seconds of work between two pause points
    final: bytes = b""


def packed(state: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def unpacked(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=True)


def tell(method: Any, items: np.ndarray, seed: int = 0, warm: Any = None) -> Told:
    told = Told()
    last: float | None = None  # not before the first pause point: torch may import more of itself

    def poll() -> None:
        nonlocal last
        now = time.thread_time()
        told.polls += 1
        told.longest = max(told.longest, now - (last or now))
        told.boxes.add(ctx.active)
        last = now

    ctx = Context(seed, poll=poll, warm=warm)
    for snapshot in method.iterate(items, ctx):
        told.snapshots.append(snapshot)
        told.phases.append((ctx.phase_name, ctx.done, ctx.total))
        told.checkpoints.append(packed(ctx.checkpoint()))
        last = time.thread_time()  # packing is not the work of the method
    told.final = packed(ctx.final_checkpoint())
    return told


@cache
def usual(name: str) -> Told:
    return tell(tiny(name), usual_items(name))


def arrays(snapshot: Snapshot) -> dict[str, np.ndarray]:
    named = {
        "embedding": snapshot.embedding,
        "assignments": snapshot.assignments,
        "probabilities": snapshot.probabilities,
        "centers": snapshot.centers,
        **{f"artefact {name}": a.data for name, a in snapshot.artefacts.items()},
    }
    return {name: array for name, array in named.items() if array is not None}


def assert_same(a: Snapshot, b: Snapshot, why: str = "") -> None:
    assert a.scalars == b.scalars, f"scalars; {why}"
    ours, theirs = arrays(a), arrays(b)
    assert ours.keys() == theirs.keys(), why
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype, f"{name}; {why}"
        assert array.tobytes() == theirs[name].tobytes(), f"{name}; {why}"


def assert_same_state(a: Any, b: Any, why: str) -> None:
    """Equal to the bit: nested dicts, lists, tensors and plain values of a checkpoint."""
    assert type(a) is type(b), why
    if isinstance(a, dict):
        assert a.keys() == b.keys(), why
        for key in a:
            assert_same_state(a[key], b[key], f"{key}; {why}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), why
        for one, other in zip(a, b, strict=True):
            assert_same_state(one, other, why)
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, why
        assert a.shape == b.shape, why
        assert a.cpu().numpy().tobytes() == b.cpu().numpy().tobytes(), why
    else:
        assert a == b, why


def test_the_methods_of_the_first_version_are_there():
    assert {"kmeans", "ae-kmeans", "dec"} <= set(METHODS)


# -- what a run is -------------------------------------------------------------------------------
@pytest.mark.slow
@EVERY
def test_same_seed_gives_the_same_bytes(name):
    told = usual(name)
    again = tell(tiny(name), usual_items(name))
    assert len(told.snapshots) == len(again.snapshots) > 1
    for a, b in zip(told.snapshots, again.snapshots, strict=True):
        assert_same(a, b)


@EVERY
def test_another_seed_gives_another_run(name):
    first = arrays(usual(name).snapshots[0])
    other = arrays(next(iter(tiny(name).iterate(usual_items(name), Context(seed=1)))))
    differs = any(other[key].tobytes() != value.tobytes() for key, value in first.items())
    assert differs == (name not in DRAWS_NOTHING)


@pytest.mark.slow
@EVERY
def test_resuming_at_any_step_cannot_be_told_from_going_on(name):
    """By induction: one step after each checkpoint gives the next snapshot and the next checkpoint.

    A context knows of the past only what is in its checkpoint, so what follows is the same too; the
    middle one goes on to the end as a proof of that.
    """
    told = usual(name)
    last = len(told.snapshots) - 1
    for i, saved in enumerate(told.checkpoints):
        ctx = Context(0, checkpoint=unpacked(saved))
        rest = tiny(name).iterate(usual_items(name), ctx)
        for step in range(i + 1, last + 1 if i in (last // 2, last) else i + 2):
            why = f"step {step}, resumed after step {i}: {KEEP}"
            assert_same(told.snapshots[step], next(rest), why)
            assert_same_state(unpacked(told.checkpoints[step]), ctx.checkpoint(), why)
        if i in (last // 2, last):
            assert next(rest, None) is None, f"after step {i}: {KEEP}"


@pytest.mark.slow
@EVERY
def test_a_finished_run_can_be_continued_and_that_one_resumed(name):
    finished = usual(name).final
    told = tell(tiny(name), usual_items(name), warm=unpacked(finished))
    assert told.snapshots
    half = len(told.snapshots) // 2
    ctx = Context(0, checkpoint=unpacked(told.checkpoints[half]), warm=unpacked(finished))
    rest = list(tiny(name).iterate(usual_items(name), ctx))
    assert len(rest) == len(told.snapshots) - half - 1
    for a, b in zip(told.snapshots[half + 1 :], rest, strict=True):
        assert_same(a, b)


@EVERY
def test_snapshots_are_whole_and_frozen(name):
    items = usual_items(name)
    for snapshot in usual(name).snapshots:
        assert snapshot.scalars
        assert all(np.isfinite(value) for value in snapshot.scalars.values())
        for key, value in snapshot.scalars.items():
            scalar = scalar_catalogue.declared(key, registry.own_scalars(registry.method(name)))
            assert scalar is not None, (
                f"{key} is not declared: put it into `scalars` of {name}, or into "
                "clustlab/analysis/scalar_catalogue.py if other methods report it too"
            )
            assert scalar.low - ROUNDING <= value <= scalar.high + ROUNDING, key
        assert len(snapshot.embedding) == len(snapshot.assignments) == len(items)
        for key, array in arrays(snapshot).items():
            assert not array.flags.writeable, key
            assert np.isfinite(array).all(), key
        for key, artefact in snapshot.artefacts.items():
            assert artefact.title, key
            assert artefact.reading.endswith("."), key
            if artefact.kind == "per_item":
                assert len(artefact.data) == len(items), key
            for axis in artefact.cluster_axes:
                with_noise = artefact.data.shape[axis] - snapshot.n_clusters
                assert with_noise in (0, registry.emits_noise(registry.method(name))), key
            if artefact.kind == "matrix":
                assert len(set(artefact.axis_titles)) == 2, f"{key}: which axis is which?"
                assert all(len(title) <= 26 for title in artefact.axis_titles), key
            if artefact.kind != "per_item":
                assert len(artefact.rows) in (0, artefact.data.shape[0]), key
            assert len(artefact.columns) in (0, artefact.data.shape[1]), key


@EVERY
def test_only_those_that_declare_it_leave_items_as_noise(name):
    has_noise = any(snapshot.is_noise.any() for snapshot in usual(name).snapshots)
    assert has_noise == registry.emits_noise(registry.method(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOOSES_K)
def test_the_last_snapshot_has_the_clusters_asked_for(name):
    assert usual(name).snapshots[-1].n_clusters == tiny(name).n_clusters
    *_, last = tiny(name, n_clusters=2).iterate(usual_items(name), Context())
    assert last.n_clusters == 2


@EVERY
def test_phases_are_those_of_the_plan_in_its_order(name):
    items = usual_items(name)
    plan = tiny(name).plan(len(items), items.shape[1:])
    planned = {phase.name: phase.iterations for phase in plan}
    assert len(planned) == len(plan)
    assert all(p.cost.linear + p.cost.conv > 0 for p in plan)
    told = usual(name)
    carried_out = [phase for phase, _ in itertools.groupby(told.phases, lambda p: p[0])]
    left = iter(planned)
    told_of = f"`plan` names {list(planned)}, `iterate` runs the phases {carried_out}"
    assert all(phase in left for phase in carried_out), told_of  # a subsequence: `in` moves on
    for phase, done, total in told.phases:
        assert done < total == planned[phase], f"{phase}: `plan` says {planned[phase]} iterations"


class Drawn:
    """Items of all batches that were followed by a step of an optimiser, since the last look."""

    def __init__(self, monkeypatch):
        self.waiting = self.trained_on = 0
        handing_out = Inputs.__getitem__

        def counted(inputs, index):
            if torch.is_grad_enabled():  # else it is a look at the items
                self.waiting += len(index)
            return handing_out(inputs, index)

        def stepped(*_):
            self.trained_on, self.waiting = self.trained_on + self.waiting, 0

        monkeypatch.setattr(Inputs, "__getitem__", counted)
        self.hook = register_optimizer_step_post_hook(stepped)

    def look(self):
        drawn, self.trained_on, self.waiting = self.trained_on, 0, 0
        return drawn


@pytest.fixture
def drawn(monkeypatch):
    drawn = Drawn(monkeypatch)
    yield drawn
    drawn.hook.remove()


# so that every phase has rounds, items come more than once in one of DEC or DAC, and some are left
# out of one of IMSAT
ALL_PHASES = {
    "tolerance": 0.0,
    "threshold": 0.15,
    "pretraining": "layer-wise",
    "layer_epochs": 1,
    "update_interval": 5,
    "passes": 2,
    "batches": "draws",
}


@pytest.mark.slow
@EVERY
def test_every_iteration_draws_as_many_samples_as_its_phase_declares(name, drawn):
    known = {p.name for p in schema(registry.method(name))}
    method = tiny(name, **{key: value for key, value in ALL_PHASES.items() if key in known})
    final = unpacked(usual(name).final)
    seen: set[str] = set()
    for n, warm in ((N, None), (33, None), (N, final)):  # 33: a batch of one joins another
        items = usual_items(name)[:n]
        plan = {phase.name: phase for phase in method.plan(n, items.shape[1:])}
        ctx = Context(0, warm=warm)
        drawn.look()
        for _ in method.iterate(items, ctx):
            seen.add(ctx.phase_name)
            where = f"{ctx.phase_name} {ctx.done}: `plan` has to say what batches of `Inputs` hold"
            assert drawn.look() == plan[ctx.phase_name].samples, where
    assert seen == {phase.name for phase in method.plan(N, (8, 8, 1)) if phase.iterations}


@EVERY
def test_the_role_of_a_phase_and_its_samples_do_not_depend_on_the_shape_of_an_item(name):
    one, other = (
        [(p.name, p.role, p.samples) for p in tiny(name).plan(500, shape)]
        for shape in ((8, 8, 1), (32, 32, 3))
    )
    assert one == other
    assert {role for _, role, _ in one} <= set(get_args(Role))


@EVERY
def test_a_larger_set_costs_more(name):
    def total(n: int) -> Cost:
        phases = tiny(name).plan(n, usual_items(name).shape[1:])
        return sum((p.cost * p.iterations for p in phases), Cost())

    small, large = total(1000), total(10_000)
    assert large.linear + large.conv > 2 * (small.linear + small.conv)


@EVERY
def test_planning_draws_nothing(name):
    Context()
    state = torch.random.get_rng_state()
    tiny(name).plan(500, usual_items(name).shape[1:])
    assert torch.equal(torch.random.get_rng_state(), state)


# -- pausing and stopping ------------------------------------------------------------------------
@pytest.mark.slow
@EVERY
def test_cancelling_takes_effect_at_any_pause_point(name):
    told = usual(name)
    for share in (0.0, 0.3, 0.6, 0.95):
        at, calls = int(share * told.polls), itertools.count()

        def poll(at: int = at, calls: Iterator[int] = calls) -> None:
            if next(calls) == at:
                raise Cancelled

        with pytest.raises(Cancelled):
            list(tiny(name).iterate(usual_items(name), Context(poll=poll)))
        assert next(calls) == at + 1


@EVERY
def test_pause_points_are_close_together(name):
    told = usual(name)
    # A second where nothing else runs.
    assert told.longest < 3.0, "long work without batches has to call `ctx.poll()`"
    assert told.polls > 2 * len(told.snapshots)


@EVERY
def test_the_box_at_work_is_one_of_the_loop(name):
    boxes = usual(name).boxes - {""}
    assert boxes, "no iteration says with `ctx.at` which box of `loop` is at work"
    strange = boxes - set(registry.method(name).loop)
    assert not strange, f"`ctx.at` names {strange}, which are no boxes of `loop`"


# -- what goes in --------------------------------------------------------------------------------
@pytest.mark.slow
@EVERY
@pytest.mark.parametrize(("side", "channels", "n"), [(28, 1, 40), (32, 3, 24), (96, 3, 12)])
def test_images_of_any_size_are_accepted(name, side, channels, n):
    if "images" not in registry.method(name).accepts:
        pytest.skip("does not accept images")
    few = {p.name: 1 for p in schema(registry.method(name)) if p.name.endswith("epochs")}
    method = tiny(name, n_clusters=3, **few)
    snapshots = list(method.iterate(noise(side, channels, n), Context()))
    assert len(snapshots[-1].assignments) == n


@EVERY
def test_points_are_accepted_by_those_that_say_so(name):
    if "points" not in registry.method(name).accepts:
        pytest.skip("does not accept points")
    told = tell(tiny(name, n_clusters=3), points())
    resumed = Context(0, checkpoint=unpacked(told.checkpoints[1]))
    rest = list(tiny(name, n_clusters=3).iterate(points(), resumed))
    for a, b in zip(told.snapshots[2:], rest, strict=True):
        assert_same(a, b)


@EVERY
def test_items_and_foreign_generators_are_left_alone(name):
    items = usual_items(name)
    before = items.tobytes(), random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    next(iter(tiny(name).iterate(items, Context())))
    after = items.tobytes(), random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    assert before == after


@EVERY
def test_equal_items_do_no_harm(name):
    items = np.repeat(usual_items(name)[:1], 40, axis=0)
    last = list(tiny(name, n_clusters=3).iterate(items, Context()))[-1]
    assert np.isfinite(last.embedding).all()


@pytest.mark.parametrize("name", CHOOSES_K)
def test_fewer_items_than_clusters_are_refused_or_do_no_harm(name):
    few, refused = usual_items(name)[:10], ""
    try:
        *_, last = tiny(name, n_clusters=20).iterate(few, Context())
    except ParameterError as error:
        refused = str(error)
    assert "n_clusters" in refused if refused else last.n_clusters == 20


def counts_of_clusters(name):
    return [p.name for p in schema(METHODS[name]) if p.name.startswith("n_clusters")]


@pytest.mark.parametrize(
    ("name", "setting"), [(n, s) for n in METHODS for s in counts_of_clusters(n)]
)
def test_too_few_items_are_refused_by_the_name_of_the_setting_at_fault(name, setting):
    refused = None
    try:
        next(tiny(name, **{setting: 20}).iterate(usual_items(name)[:10], Context()))
    except ParameterError as error:
        refused = error
    if refused is not None:
        assert refused.message.split()[0] in counts_of_clusters(name)
        assert setting in refused.message
        assert setting in refused.hint


@pytest.mark.parametrize(
    "name", [n for n in CHOOSES_K if "max_items" in {p.name for p in schema(METHODS[n])}]
)
def test_more_clusters_than_items_compared_are_refused_by_name(name):
    with pytest.raises(
        ParameterError, match="max_items must be at least n_clusters, got 100 for 1"
    ):
        next(tiny(name, n_clusters=110, max_items=100).iterate(noise(8, 1, 120), Context()))


@EVERY
def test_no_method_sees_labels_or_another_method(name):
    cls = registry.method(name)
    assert list(inspect.signature(cls.iterate).parameters) == ["self", "items", "ctx"]
    tree = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {
        a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names
    }
    forbidden = ("clustlab.methods", "clustlab.datasets", "clustlab.analysis", "clustlab.data")
    strangers = {module for module in imported if module.startswith(forbidden)}
    own = (cls.__module__, f"{cls.__module__}.")  # its package, and what lies in it
    assert not {m for m in strangers if m != own[0] and not m.startswith(own[1])}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & {"labels", "y_true", "class_names"}


# -- what is asked of the engine -----------------------------------------------------------------
@pytest.mark.slow
@EVERY
def test_mixed_precision_gives_losses_near_those_without_it(name):
    def poll() -> None:
        assert not torch.is_autocast_enabled("cpu"), "half precision is for networks only"

    ctx = Context(0, mixed_precision=True, poll=poll)
    mixed = list(tiny(name).iterate(usual_items(name), ctx))
    plain = usual(name).snapshots
    if not has_layers(name):  # it has nothing to compute in bfloat16, and ignores the switch
        for a, b in zip(plain, mixed, strict=True):
            assert_same(a, b)
        return
    assert plain[-1].embedding.tobytes() != mixed[-1].embedding.tobytes()
    for step, (a, b) in enumerate(zip(plain, mixed, strict=False)):
        for key in losses(name, a):
            near = pytest.approx(a.scalars[key], rel=HALF, abs=HALF)
            assert b.scalars[key] == near, f"{key} of step {step}"


def losses(name, snapshot):
    own = registry.own_scalars(registry.method(name))
    declared = {key: scalar_catalogue.declared(key, own) for key in snapshot.scalars}
    return [key for key, scalar in declared.items() if scalar and scalar.is_training_loss]


def has_layers(name):
    return any(
        ".weight" in key or key == "weight"
        for part in unpacked(usual(name).final)["parts"].values()
        for key in part
    )


# -- what a method says of itself ----------------------------------------------------------------
@EVERY
def test_text_has_the_four_headings_and_cites_the_paper(name):
    cls = registry.method(name)
    module = sys.modules[cls.__module__]
    where = f"docstring of {module.__name__}"
    headings = re.findall(r"^## (.+)$", module.__doc__ or "", re.MULTILINE)
    assert headings == HEADINGS, f"{where}: it needs the headings {HEADINGS}, in this order"
    source = module.__doc__.split("## Source")[1]
    cited = f"{where}: Source has to name {cls.paper.authors} ({cls.paper.year}), as `paper` does"
    assert str(cls.paper.year) in source, cited
    assert cls.paper.authors.split()[0].rstrip(",") in source, cited
    every = re.findall(r"^Deviations: .+?\Z", source.strip(), re.MULTILINE | re.DOTALL)
    rule = (
        f"{where}: Source has to end with one paragraph `Deviations: ...` of one sentence with at "
        "most 220 characters on what differs from the paper"
    )
    assert len(every) == 1, rule
    sentence = " ".join(every[0].split())
    assert len(sentence) <= 220, rule
    assert "\n\n" not in every[0], rule
    stops_once = r"[^.!?]+(?:[.!?](?! )[^.!?]+)*\."  # a stop in 0.05 ends nothing
    assert re.fullmatch(stops_once, sentence), rule


@EVERY
def test_descriptions_are_complete(name):
    cls = registry.method(name)
    assert cls.name == name
    assert cls.title
    assert cls.step_unit
    assert cls.family in get_args(MethodFamily)
    assert re.fullmatch(r"[A-Z].+\.", cls.idea)
    assert set(cls.accepts) <= {"images", "points"}
    assert cls.accepts
    assert 2 <= len(cls.loop) <= 6


@EVERY
def test_every_parameter_has_help_and_a_default_within_its_bounds(name):
    params = schema(registry.method(name))
    assert (params[0].name == "n_clusters") == (name in CHOOSES_K)
    for p in params:
        assert p.help.endswith("."), p.name
    defaults = {p.name: p.default for p in params}
    assert build(registry.method(name), json.loads(json.dumps(defaults))) == build(
        registry.method(name), {}
    )


@EVERY
def test_the_presets_build_and_differ(name):
    cls = registry.method(name)
    assert list(cls.presets) == ["quick", "standard", "paper"]
    built = [build(cls, values) for values in cls.presets.values()]
    assert len({json.dumps(vars(b), sort_keys=True) for b in built}) == 3
    work = [sum((p.cost * p.iterations for p in b.plan(1797, (8, 8, 1))), Cost()) for b in built]
    total = [w.linear + w.conv for w in work]
    assert total[0] < total[1] < total[2]
