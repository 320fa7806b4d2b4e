"""What each alarm means and what guards against it, in the words of the method that it is about.

Alarms are figures (see `alarms`); here they become sentences. What is said of a method's clusters
depends on its family, and advice that names a setting is given only to methods that have it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Any

from clustlab import registry
from clustlab.analysis.alarms import Alarm, AlarmKind
from clustlab.analysis.shares import percent
from clustlab.params import schema
from clustlab.registry import Method
from clustlab.types import MethodFamily

RATES = ("cluster_learning_rate", "learning_rate")
TRAINED: tuple[MethodFamily, ...] = (
    "self-training",
    "classifier",
    "pairs",
    "pseudo-labels",
    "code",
)


@dataclass(frozen=True, slots=True)
class Advice:
    """Something that helps, for methods that have one of its settings."""

    text: str  # begins small; the list of all is one sentence
    settings: tuple[str, ...] = ()  # one of which the method must have; none: always possible
    families: tuple[MethodFamily, ...] = ()  # for which it is meant; none: for all
    followed_by: tuple[Any, ...] = ()  # values of these settings with which a run follows it

    def is_possible(self, family: MethodFamily | None, settings: Collection[str]) -> bool:
        """Whether a method of this family with these settings can follow it."""
        has_one = not self.settings or any(name in settings for name in self.settings)
        return has_one and (not self.families or family is None or family in self.families)

    def is_followed(self, values: Mapping[str, Any]) -> bool:
        """Whether a run with these values of its settings does so already."""
        own = [values[name] for name in self.settings if name in values]
        return bool(own and self.followed_by) and all(value in self.followed_by for value in own)


@dataclass(frozen=True, slots=True)
class AlarmEntry:
    """All that is said of one kind of alarm."""

    kind: AlarmKind
    title: str
    watched: str  # in the list of what a run without alarms was watched for
    fact: Callable[[Alarm], str]  # what happens, as a sentence
    meaning: str  # for families without words of their own
    advice: tuple[Advice, ...]
    lesson: str  # the one that explains it, unless there is one on the method itself
    meanings: Mapping[MethodFamily, str] = field(default_factory=dict)
    one_each: str = ""  # what it means besides where there is a cluster for each known class


@dataclass(frozen=True, slots=True)
class AlarmText:
    """An alarm in sentences."""

    title: str
    fact: str
    meaning: str
    remedy: str  # empty if nothing helps that the method has


def alarm_text(
    alarm: Alarm,
    method: type[Method] | None,
    params: Mapping[str, Any] | None = None,
    n_classes: int = 0,
) -> AlarmText:
    """An alarm in the words of a method; general ones for None, a method that is not there.

    With the `params` of a run, which need not name what is left at its default, what it does
    already is not advised. `n_classes` is the number of known classes that occur, 0 without labels.
    """
    entry = ENTRIES[alarm.kind]
    family = None if method is None else method.family
    meaning = entry.meanings.get(family, entry.meaning) if family else entry.meaning
    if alarm.is_read_off and family in TRAINED:
        meaning = entry.meaning  # these clusters are not what was trained, such as a consensus
    if entry.one_each and n_classes == alarm.n_clusters:
        meaning = f"{meaning} {entry.one_each}"
    settings = {} if method is None else {p.name: p.default for p in schema(method)}
    values = {} if params is None else {**settings, **params}
    possible = [
        advice.text
        for advice in entry.advice
        if advice.is_possible(family, settings) and not advice.is_followed(values)
    ]
    remedy = "; ".join(possible)
    remedy = f"{remedy[0].upper()}{remedy[1:]}." if remedy else ""
    return AlarmText(entry.title, entry.fact(alarm), meaning, remedy)


def facts(alarm: Alarm) -> str:
    """What happens where an alarm begins, and where it ends if its figures are others there."""
    fact = ENTRIES[alarm.kind].fact
    first, last = fact(alarm), fact(alarm.at(alarm.until))
    return first if first == last else f"{first} At step {alarm.until}: {last}"


def about_rising_losses(method: type[Method]) -> str:
    """What a loss that rises says of a method; nothing if it has no learning rate."""
    courses = {s.course for s in registry.own_scalars(method) if s.is_training_loss}
    if "rises" in courses:
        return (
            "The loss is measured against a target that gets harder as the answers get better, so "
            "it may rise while the run learns."
        )
    if "jumps" in courses:
        return (
            "The loss is measured against a target that is reset as the answers change: it may "
            "rise at a reset, and falls in between."
        )
    if any(p.name in RATES for p in schema(method)):
        return "A loss that rises or jumps about asks for a lower learning rate."
    return ""


# -- what happens --------------------------------------------------------------------------------
def _collapse(alarm: Alarm) -> str:
    largest = "" if alarm.cluster is None else f"; the largest is cluster {alarm.cluster}"
    in_use = ""
    if alarm.n_occupied is not None and alarm.n_occupied != alarm.n_clusters:
        in_use = f", of which {alarm.n_occupied} {'is' if alarm.n_occupied == 1 else 'are'} in use"
    return (
        f"The items are spread as unevenly as if there were only {alarm.value:.1f} of "
        f"{alarm.n_clusters} clusters{in_use}{largest}."
    )


def _empty(alarm: Alarm) -> str:
    verb = "is" if alarm.value == 1 else "are"
    return f"{alarm.value:.0f} of {alarm.n_clusters} clusters {verb} empty."


def _uniform(alarm: Alarm) -> str:
    return (
        f"The largest probability of an item is {alarm.value:.3f} on average; "
        f"1/{alarm.n_clusters} would be a blind guess."
    )


def _still(alarm: Alarm) -> str:
    return (
        f"In round {alarm.round} of the phase '{alarm.phase}' {percent(alarm.value)} of the labels "
        "changed."
    )


def _churn(alarm: Alarm) -> str:
    return (
        f"{percent(alarm.value)} of the labels change at each step, compared with "
        f"{percent(alarm.before)} at the beginning of the phase."
    )


def _heads(alarm: Alarm) -> str:
    return f"The mean NMI of all pairs of heads is {alarm.value:.2f}, less than {alarm.threshold}."


def _head_change(alarm: Alarm) -> str:
    assert alarm.heads is not None
    before, after = alarm.heads
    fact = (
        f"Head {after} took over from head {before} with the lower loss, and "
        f"{percent(alarm.value)} of the labels changed at once."
    )
    if isfinite(alarm.before):
        fact += f" At that step the mean NMI of all pairs of heads is {alarm.before:.2f}."
    return fact


def _divergence(alarm: Alarm) -> str:
    return f"The loss is {alarm.value:.3g} and rising, up from {alarm.before:.3g}."


def _broke_off(alarm: Alarm) -> str:
    return f"{alarm.error} This is the last step before it."


# -- the entries ---------------------------------------------------------------------------------
SLOWER = Advice("a lower learning rate", RATES)
EQUAL_SIZES = Advice("targets of equal size (sinkhorn, or a larger delta)", ("target",))
EVEN_OUTPUTS = (
    Advice("a larger balance weight", ("balance_weight",)),
    Advice("a larger entropy weight", ("entropy_weight",)),
    Advice("a larger evenness weight", ("evenness_weight",)),
    Advice("a larger information weight, or a larger balance", ("information_weight",)),
)
REPAIR = Advice("repair of empty clusters", ("repair_empty",), followed_by=(True,))
MORE_STARTS = Advice("more starts of the clustering", ("n_init",))
OTHER_SEED = Advice(  # linkage and density draw nothing, so another seed changes nothing
    "another seed, to see whether it happens again", families=(*TRAINED, "centres", "mixture")
)
APART = (
    "The heads divide the same features differently, so which of them has the lowest loss "
    "decides what comes out, and a jump in the scores where that changes is not learning."
)
FEWER_DOUBTS = (
    Advice("more epochs", ("cluster_epochs", "epochs")),
    SLOWER,
    Advice("the auxiliary head", ("n_clusters_over",), ("classifier",)),
    Advice("more heads", ("n_heads",)),
    Advice("several seeds, compared by their loss before you trust one"),
)
SMALLER_STEPS = (
    SLOWER,
    Advice("larger batches", ("batch_size",)),
    Advice("items on a smaller scale"),
)

ENTRIES: Mapping[AlarmKind, AlarmEntry] = MappingProxyType(
    {
        entry.kind: entry
        for entry in (
            AlarmEntry(
                "collapse",
                "Collapse",
                "collapse",
                _collapse,
                "A few clusters swallow the rest, so the clustering says little.",
                (
                    EQUAL_SIZES,
                    *EVEN_OUTPUTS,
                    REPAIR,
                    Advice(
                        "equal weight for every cluster (balance)",
                        ("balance",),
                        ("pseudo-labels",),
                        followed_by=("uniform sampler", "inverse weights"),
                    ),
                    Advice("a linkage that makes compact groups, such as Ward's", ("linkage",)),
                    Advice("a lower minimum cluster size", ("min_cluster_size",)),
                    Advice("more neighbours in the graph", ("n_neighbors",), ("centres",)),
                    Advice(
                        "stronger changes of the images", ("strength",), ("classifier", "pairs")
                    ),
                    Advice(SLOWER.text, RATES, TRAINED),
                    MORE_STARTS,
                    OTHER_SEED,
                ),
                "iic",
                {
                    "centres": "A few items far from all others take centres for themselves, so "
                    "the rest must share what is left.",
                    "mixture": "A few wide components explain nearly all items, and the others "
                    "lose their weight to them.",
                    "linkage": "A group that is near everything takes in one item after another, "
                    "and what lies apart stays alone.",
                    "density": "Dense places that touch form one cluster, and little is left "
                    "outside.",
                    "code": "The code holds most items close together, and a few that lie far out "
                    "take clusters for themselves. Nothing in training asks for clusters.",
                    "self-training": "The target is made of the method's own answers: what a large "
                    "cluster has, it keeps, and learning from them says less and less.",
                    "classifier": "Answering alike for an item and its changed copy is easiest "
                    "with few answers; the weight of using all of them is too low "
                    "here.",
                    "pairs": "Nearly all pairs seem similar, and what seems similar is drawn even "
                    "closer together.",
                    "pseudo-labels": "A network that learns such labels learns to name the large "
                    "clusters, and forgets what sets the others apart.",
                },
            ),
            AlarmEntry(
                "empty",
                "Empty clusters",
                "empty clusters",
                _empty,
                "Fewer groups come out than were asked for.",
                (
                    REPAIR,
                    EQUAL_SIZES,
                    *EVEN_OUTPUTS,
                    MORE_STARTS,
                    Advice(
                        "fewer clusters, if there are no more groups than that", ("n_clusters",)
                    ),
                    OTHER_SEED,
                ),
                "iic",
                {
                    "centres": "A centre without items is moved by none, so it rarely comes back.",
                    "mixture": "A component without items has hardly any weight, so it rarely wins "
                    "one back.",
                    "self-training": "A centre without items is hardly pulled by any, so it "
                    "rarely comes back.",
                    "code": "On this code, k-means has no use for so many centres.",
                    "classifier": "An output that no item chooses can come back only while others "
                    "are unsure.",
                    "pairs": "An output that no item chooses has no pair of its own to learn from.",
                    "pseudo-labels": "A label that no item carries is never learned.",
                },
                "There is a cluster for each class, so two classes share one.",
            ),
            AlarmEntry(
                "uniform",
                "Uniform probabilities",
                "uniform probabilities",
                _uniform,
                "The answers say nothing about the items.",
                (
                    Advice("a code on a larger scale", ("code_scale",)),
                    Advice("fewer degrees of freedom alpha", ("alpha",), ("self-training",)),
                    Advice("longer pre-training", ("epochs",), ("self-training",)),
                    Advice("a higher learning rate", RATES, ("classifier", "pairs")),
                    MORE_STARTS,
                    OTHER_SEED,
                ),
                "dec",
                {
                    "mixture": "The components lie on top of one another, so none of them "
                    "answers for an item.",
                    "self-training": "The target is just as flat, so there is nothing to learn "
                    "from.",
                    "classifier": "Answers that are all alike carry no information, and the loss "
                    "hardly shows a way out of them.",
                    "pairs": "When all answers are alike, every pair seems similar, whatever it "
                    "shows.",
                },
            ),
            AlarmEntry(
                "still",
                "No change at all",
                "no change at all",
                _still,
                "Training has only begun and moves no label: what comes out is what it started "
                "from.",
                (
                    Advice("a lower tolerance", ("tolerance",), ("self-training",)),
                    Advice("more training between two updates", ("update_interval",)),
                    Advice("a higher learning rate", RATES),
                    Advice(
                        "or nothing, if it began where it ends, as a run that is trained longer "
                        "does"
                    ),
                ),
                "dec",
                {
                    "self-training": "By the usual rule the run has converged, before it has "
                    "learned anything: what comes out is what it started from.",
                    "pseudo-labels": "The network has nothing left to learn from its labels: what "
                    "comes out is what it started from.",
                },
            ),
            AlarmEntry(
                "churn",
                "Labels do not settle",
                "labels that do not settle",
                _churn,
                "What one step has settled, the next one undoes.",
                (
                    SLOWER,
                    Advice("fewer clusters to train on", ("n_clusters_over",), ("pseudo-labels",)),
                    Advice("less training between two assignments", ("update_interval",)),
                    Advice(
                        "weaker changes of the images, or none",
                        ("strength", "augment", "augmented"),
                    ),
                    Advice("more starts of k-means", ("n_init",), ("code",)),
                    OTHER_SEED,
                ),
                "dec",
                {
                    "code": "The code still changes, and k-means divides it anew each time.",
                    "self-training": "The target has changed by the time the network has "
                    "followed it.",
                    "classifier": "The borders still move at every step, so the last answers are "
                    "only one outcome of many.",
                    "pseudo-labels": "The network learns labels that have changed by the time it "
                    "has learned them.",
                },
            ),
            AlarmEntry(
                "heads",
                "Heads disagree",
                "heads that disagree",
                _heads,
                APART,
                FEWER_DOUBTS,
                "iic",
            ),
            AlarmEntry(
                "head_change",
                "Another head takes over",
                "heads that take over from each other",
                _head_change,
                APART,
                FEWER_DOUBTS,
                "iic",
            ),
            AlarmEntry(
                "divergence",
                "Loss diverges",
                "a loss that diverges",
                _divergence,
                "The steps are too large, and each undoes more than it gains.",
                SMALLER_STEPS,
                "dec",
            ),
            AlarmEntry(
                "broke_off",
                "Loss diverged",
                "figures that are not finite",
                _broke_off,
                "The run could not go on from here.",
                SMALLER_STEPS,
                "dec",
            ),
        )
    }
)
