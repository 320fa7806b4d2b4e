# %% [markdown]
# # Three methods on the same digits
#
# k-means works on pixels, DEC on the code of an autoencoder, and IIC on what survives small changes
# of an image. All three see the same 300 digits.

# %%
import altair as alt
import pandas as pd

import clustlab as cl

runs = {
    name: cl.train("digits", name, preset="quick", data={"n_samples": 300}, progress=False)
    for name in ("kmeans", "dec", "iic")
}

# %% [markdown]
# Their scores side by side.

# %%
table = pd.DataFrame({name: run.scores() for name, run in runs.items()}).T
table[["acc", "nmi", "ari", "purity"]].astype(float).round(3)

# %% [markdown]
# Two runs can have the same accuracy and still fail on different digits. `compare` matches their
# clusters and counts where they agree.

# %%
report = cl.compare(*runs.values())
{name: report[name] for name in list(report)[:6]}

# %% [markdown]
# How each of them got there.

# %%
history = pd.concat(run.curves().assign(method=name) for name, run in runs.items())
alt.Chart(history).mark_line(point=True).encode(x="step", y="nmi", color="method")
