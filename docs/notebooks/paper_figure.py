# %% [markdown]
# # From a run to a figure and a table
#
# Three seeds of one setting, their mean and range, and a chart that goes into a paper.

# %%
import pandas as pd

import clustlab as cl

runs = [
    cl.train(
        "digits",
        "kmeans",
        preset="quick",
        seed=seed,
        data={"n_samples": 600},
        settings={"n_init": 1},
        progress=False,
    )
    for seed in range(3)
]

# %% [markdown]
# One seed says little. A table gives the mean with the range beside it.

# %%
scores = pd.DataFrame([run.scores() for run in runs]).astype(float)
words = {"acc": "ACC", "nmi": "NMI", "ari": "ARI"}
cells = {
    word: f"{scores[key].mean():.3f} ({scores[key].min():.3f} to {scores[key].max():.3f})"
    for key, word in words.items()
}
table = pd.DataFrame(cells, index=["k-means, three seeds"])
table

# %%
print(table.style.to_latex(hrules=True))

# %% [markdown]
# A chart is one of Altair's: its size, title and fonts can be set, and it can be saved.

# %%
best = max(runs, key=lambda run: float(run.scores()["nmi"]))
figure = cl.plot.confusion(best).properties(title="k-means on 600 digits")
figure.save("confusion.html")
figure
