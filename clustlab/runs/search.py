"""Which of many runs are meant: by words, tags, and what they are."""

from collections.abc import Collection
from dataclasses import dataclass

from clustlab.params import in_words
from clustlab.runs.identity import carried_out
from clustlab.runs.labels import label_of
from clustlab.runs.store import Run, UnreadableRun
from clustlab.runs.titles import description


@dataclass(frozen=True, slots=True)
class Wanted:
    """What runs are looked for; empty parts do not matter."""

    words: str = ""  # all of them occur somewhere in what is said of the run
    datasets: Collection[str] = ()
    methods: Collection[str] = ()
    statuses: Collection[str] = ()
    tags: Collection[str] = ()  # the run has all of them
    by_hand: bool = False  # only runs that somebody intervened in

    def matches(self, run: Run) -> bool:
        """Whether a run is among those that are looked for."""
        label = label_of(run)
        return (
            _allows(self.datasets, run.spec.dataset)
            and _allows(self.methods, run.spec.method)
            and set(self.tags) <= set(label.tags)
            and (not self.statuses or run.status in self.statuses)
            and (not self.by_hand or bool(carried_out(run)))
            and _holds(_text(run), self.words)
        )

    def matches_folder(self, folder: UnreadableRun) -> bool:
        """Whether a run that cannot be read is looked for: of all there is to say, by its words."""
        asked = (self.datasets, self.methods, self.statuses, self.tags, self.by_hand)
        return not any(asked) and _holds(f"{folder.id}\n{folder.reason}".lower(), self.words)


def _allows(names: Collection[str], name: str) -> bool:
    return not names or name in names


def _holds(text: str, words: str) -> bool:
    return all(word in text for word in words.lower().split())


def _text(run: Run) -> str:
    label, spec = label_of(run), run.spec
    settings = (
        f"{k}={in_words(v)}" for k, v in {**spec.dataset_params, **spec.method_params}.items()
    )
    said = (label.name, *label.tags, label.note, description(run), run.id, spec.preset, *settings)
    return "\n".join((*said, spec.dataset, spec.method)).lower()
