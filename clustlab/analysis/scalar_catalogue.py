"""Every figure that methods and their parts report with their steps, declared once.

Pages, alarms and tests read words, units, directions and ranges from here. A method may report
more: it declares those itself, as a tuple of `Scalar` under the name `scalars`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from clustlab import registry
from clustlab.runs.store import Run
from clustlab.types import Better, Scalar, ScalarUnit

T = TypeVar("T")


def _any(
    key: str, words: str, unit: ScalarUnit = "", better: Better = "neither", **more: Any
) -> Scalar:
    return Scalar(key, words, unit, better, **more)


def _positive(
    key: str, words: str, unit: ScalarUnit = "", better: Better = "neither", **more: Any
) -> Scalar:
    return Scalar(key, words, unit, better, low=0.0, **more)


def _share(
    key: str, words: str, better: Better = "neither", unit: ScalarUnit = "share", **more: Any
) -> Scalar:
    return Scalar(key, words, unit, better, low=0.0, high=1.0, **more)


SCALARS: Mapping[str, Scalar] = MappingProxyType(
    {
        scalar.key: scalar
        for scalar in (
            # -- what training makes smaller; of a step that has several, the first counts ---------
            _any("loss", "Loss", better="lower", is_training_loss=True),
            _positive("cross_entropy", "Cross-entropy", "nats", "lower", is_training_loss=True),
            _positive(
                "reconstruction",
                "Reconstruction error",
                "",
                "lower",
                is_training_loss=True,
                lesson=("representations", 3),
            ),
            _positive(
                "layer_reconstruction",
                "Reconstruction error of one layer",
                "",
                "lower",
                is_training_loss=True,
            ),
            # -- other losses and their parts ------------------------------------------------------
            _any("auxiliary_loss", "Loss of the auxiliary head", "nats", "lower"),
            _any("cluster_loss", "Contrast of clusters", "nats", "lower", lesson=("neighbours", 7)),
            _positive(
                "consistency", "Difference to neighbours", "nats", "lower", lesson=("neighbours", 4)
            ),
            _positive(
                "cross_entropy_guessing",
                "Cross-entropy of a blind guess",
                "nats",
                lesson=("deepcluster", 3),
            ),
            _positive("deceiving_loss", "Loss of encoder and generator", "nats"),
            _positive("discriminator_loss", "Loss of the discriminator", "nats"),
            _positive("divergence", "Divergence", "nats", "lower"),
            _positive(
                "divergence_adversarial",
                "Divergence by the worst small change",
                "nats",
                lesson=("information", 6),
            ),
            _positive(
                "divergence_random",
                "Divergence by a random small change",
                "nats",
                lesson=("information", 5),
            ),
            _any("evenness_loss", "Unevenness of the branches", "", "lower"),
            _positive(
                "instance_loss", "Contrast of items", "nats", "lower", lesson=("neighbours", 1)
            ),
            _positive(
                "kl_divergence", "Divergence from the prior", "nats", lesson=("representations", 6)
            ),
            Scalar("loss_head", "Loss of head", "nats", "lower", is_numbered=True),
            _positive(
                "pretext_loss", "Contrast of copies", "nats", "lower", lesson=("neighbours", 1)
            ),
            _positive("prior_loss_of_discriminator", "Prior loss of the discriminator", "nats"),
            _positive("prior_loss_of_encoder", "Prior loss of the encoder", "nats"),
            _positive("self_label_loss", "Cross-entropy with its own labels", "nats", "lower"),
            _positive(
                "sparsity_penalty",
                "Sparsity penalty",
                "nats",
                "lower",
                lesson=("representations", 5),
            ),
            _positive("squared_weights", "Sum of squared weights"),
            _any("tree_loss", "Loss of the tree", "nats", "lower"),
            # -- how well clusters fit -------------------------------------------------------------
            _any("bic", "BIC", "", "lower"),
            _any("gain", "Gain in log likelihood", "nats an item"),
            _positive(
                "inertia",
                "Squared distances to centres",
                "squared distance",
                "lower",
                lesson=("assumptions", 1),
            ),
            _positive(
                "inertia_reached",
                "The same from the best start",
                "squared distance",
                "lower",
                lesson=("assumptions", 2),
            ),
            _positive(
                "kmeans_objective", "Squared distance to centre", "squared distance", "lower"
            ),
            _any(
                "log_likelihood",
                "Log likelihood",
                "nats an item",
                "higher",
                lesson=("assumptions", 4),
            ),
            # -- information -----------------------------------------------------------------------
            _positive(
                "conditional_entropy",
                "Entropy of an answer",
                "nats",
                "lower",
                lesson=("information", 1),
            ),
            _positive(
                "entropy", "Entropy of the mean answer", "nats", "higher", lesson=("neighbours", 5)
            ),
            _positive("entropy_ceiling", "Greatest entropy possible", "nats"),
            _any("global_information", "Information of the whole image", "nats", "higher"),
            _positive("imbalance", "Missing entropy of the mean answer", "nats", "lower"),
            _positive("imbalance_in_batches", "The same within batches", "nats", "lower"),
            _any("local_information", "Information of places in the image", "nats", "higher"),
            _positive(
                "marginal_entropy",
                "Entropy of the mean answer",
                "nats",
                "higher",
                lesson=("information", 1),
            ),
            _positive(
                "mutual_information", "Mutual information", "nats", "higher", lesson=("iic", 3)
            ),
            _positive("mutual_information_ceiling", "Greatest mutual information", "nats"),
            # -- agreement and certainty -----------------------------------------------------------
            _share("agreement_of_clusterings", "Agreement of the clusterings", "higher", "NMI"),
            _share("agreement_of_divisions", "Agreement of the divisions", "higher", "NMI"),
            _share(
                "agreement_with_consensus",
                "Agreement with the consensus",
                "higher",
                "NMI",
                lesson=("trees", 4),
            ),
            _share("confidence", "Mean confidence", "higher", ""),
            _share("head_agreement", "Agreement of the heads", "higher", "NMI", lesson=("iic", 6)),
            _share("mean_trust", "Mean trust in a cluster", "higher", ""),
            _share("nmi_previous", "Agreement with the round before", "higher", "NMI"),
            _share("share_agreeing", "Copies in the cluster of their image", "higher"),
            _share("share_confident", "Items with a label of their own", "higher"),
            _share("share_of_neighbours_agreeing", "Neighbours in the same cluster", "higher"),
            _share("share_undecided", "Items without a decision", "lower"),
            _share("support", "Mean support of a pair", "higher", ""),
            # -- counts and shares -----------------------------------------------------------------
            _positive("active_units", "Active units", "units", lesson=("representations", 6)),
            Scalar("chosen_head", "Head with the lowest loss", low=1.0, lesson=("iic", 6)),
            _positive(
                "close_neighbours", "Close neighbours", "items", lesson=("local-aggregation", 2)
            ),
            _share("close_share_of_background", "Background that is close"),
            Scalar("clusters", "Clusters", "clusters", low=1.0),
            _positive("clusters_found", "Clusters that last", "clusters"),
            _positive("divisions", "Divisions", "divisions"),
            Scalar("least_size", "Least size of a cluster", "items", low=2.0),
            _share("least_leaf_mass", "Items in the smallest leaf"),
            Scalar("leaves", "Leaves", "clusters", low=1.0),
            _share("mass_in_living_leaves", "Items in living leaves", "higher"),
            _positive("merges", "Merges", "clusters"),
            _positive("n_dissimilar_pairs", "Dissimilar pairs", "pairs"),
            _positive(
                "n_empty_before_repair",
                "Clusters empty before repair",
                "clusters",
                "lower",
                lesson=("deepcluster", 6),
            ),
            _positive("n_left_out_pairs", "Pairs left out", "pairs"),
            _positive("n_similar_pairs", "Similar pairs", "pairs"),
            Scalar("pieces", "Pieces of the graph", "pieces", low=1.0),
            _share("share_changed", "Labels changed", "lower", lesson=("dec", 7)),
            _share("share_of_noise", "Noise"),
            _share("share_similar", "Chosen pairs that are similar"),
            _positive("splits", "Splits", "clusters", lesson=("trees", 6)),
            _share("variance_kept", "Variance kept", "higher", lesson=("representations", 1)),
            # -- schedules and scales --------------------------------------------------------------
            _positive("beta", "Weight of the divergence"),
            _positive("code_scale", "Enlargement of the codes", "times", lesson=("dec", 2)),
            _positive("distance_of_last_merge", "Distance of the last merge"),
            _positive(
                "distance_of_next_merge", "Distance of the next merge", lesson=("assumptions", 5)
            ),
            _any("eigenvalue_step", "Step to the next eigenvalue", lesson=("assumptions", 6)),
            _positive("learning_rate", "Learning rate"),
            _share("lower_threshold", "Pairs below are dissimilar", unit="", lesson=("pairs", 2)),
            _share("upper_threshold", "Pairs above are similar", unit="", lesson=("pairs", 2)),
        )
    }
)


def declared(key: str, own: Sequence[Scalar] = ()) -> Scalar | None:
    """Declaration of a scalar by its key, or None.

    Parameters
    ----------
    own : sequence of Scalar
        What the method declares itself; it comes before what all share.

    One of several scalars, such as `loss_head_2`, has the declaration of `loss_head`, with its
    number among the words.
    """
    known = {**SCALARS, **{scalar.key: scalar for scalar in own}}
    if key in known:
        return known[key]
    family, _, number = key.rpartition("_")
    scalar = known.get(family)
    is_number = number.isascii() and number.isdecimal() and len(number) < 9
    if scalar is None or not scalar.is_numbered or not is_number:
        return None
    return scalar.with_number(int(number))


def own_scalars(run: Run) -> tuple[Scalar, ...]:
    """What the method of a run declares itself.

    Methods are loaded, which takes seconds, only if the run has a scalar that is not among those
    that all share.
    """
    keys = {key for record in run.log for key in record["scalars"]}
    if all(declared(key) for key in keys):
        return ()
    return registry.own_scalars(registry.methods().get(run.spec.method))


def scalar_of(key: str, own: Sequence[Scalar] = ()) -> Scalar:
    """Declaration of a scalar; of one that nobody declares, such as of a lost method, its key."""
    return declared(key, own) or Scalar(key, key.replace("_", " ").capitalize())


def training_loss(scalars: Mapping[str, T], missing: T, own: Sequence[Scalar] = ()) -> T:
    """The value among a step's scalars that training made smaller, else `missing`.

    Of several the one that is declared first counts: a whole before its parts.
    """
    losses = (s.key for s in (*own, *SCALARS.values()) if s.is_training_loss)
    return next((scalars[key] for key in losses if key in scalars), missing)
