"""The preset `paper` against the settings that were published, with where they were read."""

import pytest

from clustlab import registry
from clustlab.params import build, schema

LAYERS = {"pretraining": "layer-wise", "corruption": 0.2, "batch_size": 256, "n_init": 20}
SIMCLR_LIKE = {"epochs": 1000, "batch_size": 256, "learning_rate": 3e-4}

# by method: settings as published, and the source that states them
PUBLISHED = {
    "ae-kmeans": (LAYERS, "code of Xie et al. 2016"),
    "dec": (LAYERS | {"update_interval": 160, "tolerance": 0.001, "alpha": 1.0}, "the same code"),
    "idec": (
        {"update_interval": 140, "cluster_weight": 0.1, "cluster_learning_rate": 1e-3}
        | {"tolerance": 0.001, "batch_size": 256},
        "code of Guo et al. 2017, MNIST",
    ),
    "vade": (
        {"cluster_epochs": 3000, "batch_size": 100, "cluster_learning_rate": 2e-3},
        "code of Jiang et al. 2017",
    ),
    "n2d": (
        {"epochs": 1000, "batch_size": 256, "n_neighbors": 20, "min_dist": 0.0, "n_init": 1}
        | {"layout_epochs": None, "max_iter": 100, "tolerance": 1e-3},
        "code of McConville et al. 2020; umap-learn and scikit-learn by default",
    ),
    "infomax-kmeans": (
        {"epochs": 1000, "batch_size": 64, "learning_rate": 1e-4, "code_size": 64}
        | {"local_weight": 1.0, "global_weight": 0.0, "prior_weight": 0.1, "critic_units": 2048},
        "code of Hjelm et al. 2019",
    ),
    "bigan-kmeans": (
        {"epochs": 400, "batch_size": 128, "learning_rate": 2e-4, "code_size": 50}
        | {"hidden_units": 1024},
        "code of Donahue et al. 2017, MNIST",
    ),
    "rim": ({"network": "linear", "start": "random"}, "Krause et al. 2010"),
    "imsat": (
        {"reach": 0.25, "n_neighbors": 10, "information_weight": 0.1, "balance": 4.0}
        | {"hidden_width": 1200, "batch_size": 250, "learning_rate": 2e-3}
        | {"batches": "draws"},
        "code of Hu et al. 2017",
    ),
    "dac": (
        {"epochs": 46, "batch_size": 128, "learning_rate": 1e-3, "passes": 2},
        "public code: 46 epochs of 1,000 batches, 1.8 passes of 70,000 images each",
    ),
    "iic": (
        {"epochs": 3200, "batch_size": 140, "repeats": 5, "learning_rate": 1e-4, "n_heads": 5}
        | {"n_clusters_over": 50, "balance_weight": 1.0},
        "code of Ji et al. 2019, run 685",
    ),
    "deepcluster": (
        {"epochs": 200, "batch_size": 256, "learning_rate": 0.05, "n_components": 256}
        | {"n_clusters_over": 100, "sobel": True, "whitening": True},
        "code of Caron et al. 2018; ten clusters a class",
    ),
    "local-aggregation": (
        {"warm_up_epochs": 10, "epochs": 200, "n_clusterings": 10, "items_per_cluster": 43}
        | {"n_background": 4096, "temperature": 0.07, "memory": 0.5, "n_features": 128}
        | {"batch_size": 128, "learning_rate": 0.03},
        "code of Zhuang et al. 2019; 30,000 clusters of 1.28 million images",
    ),
    "scan": (
        {"epochs": 500, "batch_size": 512, "temperature": 0.1, "n_neighbors": 20}
        | {"cluster_epochs": 50, "cluster_batch_size": 128, "cluster_learning_rate": 1e-4}
        | {"label_epochs": 200, "label_batch_size": 1000, "threshold": 0.99, "n_heads": 1}
        | {"entropy_weight": 5.0, "weight_decay": 1e-4},
        "code of Van Gansbeke et al. 2020, CIFAR-10",
    ),
    "contrastive-clustering": (
        SIMCLR_LIKE
        | {"instance_temperature": 0.5, "cluster_temperature": 1.0, "n_features": 128}
        | {"n_hidden": 512},
        "code of Li et al. 2021",
    ),
    "consensus": (SIMCLR_LIKE, "code of Li et al. 2021, which DeepCluE starts from"),
    "cohiclust": (
        {"epochs": 1000, "tree_depth": 4, "temperature": 0.5, "batch_size": 512}
        | {"learning_rate": 1e-3, "weight_decay": 1e-6},
        "code of Znalezniak et al. 2023",
    ),
    "unknown-k": (
        {"n_start": 1, "alpha": 10.0, "variance": 0.005, "least": 5},
        "code of Ronen et al. 2022",
    ),
    "vae-kmeans": ({"batch_size": 100, "beta": 1.0}, "Kingma and Welling 2014"),
}

# settings that are not the published ones, and the words of their help that say so
DIFFERENT = [
    ("vade", "warm_up_updates", "in the authors' code it does not"),
    ("n2d", "n_init", "the authors' code has a single start"),
    ("imsat", "epochs", "50 passes over 70,000 images"),
    ("imsat", "batches", "draws, as in the authors' code"),
    ("dac", "passes", "84 passes over 70,000 images"),
    ("iic", "epochs", "one pass for the fine heads and two for the others"),
    ("rim", "weight_decay", "0.0025 times powers of 2"),
    ("rim", "network", "1,200"),
    ("unknown-k", "belief", "two items more than there are columns"),
]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_preset_paper_is_what_was_published(name):
    cls = registry.method(name)
    built = build(cls, cls.presets["paper"])
    published, source = PUBLISHED[name]
    assert {key: getattr(built, key) for key in published} == published, source


@pytest.mark.parametrize(("name", "setting", "words"), DIFFERENT)
def test_what_differs_is_said_where_it_is_set(name, setting, words):
    (found,) = (p for p in schema(registry.method(name)) if p.name == setting)
    assert words in found.help


@pytest.mark.parametrize("name", ["ae-kmeans", "dec", "idec"])
def test_pretraining_takes_the_updates_of_the_first_code(name):
    """50,000 of 256 for each pair of layers, then 100,000, on the 60,000 images of train."""
    paper = registry.method(name).presets["paper"]
    batches = 60_000 / 256
    assert paper["layer_epochs"] * batches == pytest.approx(50_000, rel=0.005)
    assert paper["epochs"] * batches == pytest.approx(100_000, rel=0.005)


def test_a_tree_is_grown_pruned_and_settled_in_500_passes():
    paper = registry.method("cohiclust").presets["paper"]
    assert paper["tree_epochs"] + 6 + paper["settle_epochs"] == 500  # 16 leaves become 10
