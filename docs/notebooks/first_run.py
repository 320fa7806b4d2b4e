# %% [markdown]
# # A first run
#
# DEC learns to divide 600 small digits into ten clusters. Nothing here sees their labels; they
# only measure what came out. `jupytext --to ipynb first_run.py` makes a notebook of this file;
# editors that know cells open it as it is.

# %%
import clustlab as cl

run = cl.train("digits", "dec", preset="quick", seed=0, data={"n_samples": 600})
run

# %% [markdown]
# A run keeps every step: here the training of the autoencoder, k-means in its code, and then each
# round of DEC. A step is a table with a row for each digit.

# %%
run.frame().head()

# %% [markdown]
# How good is it? `acc` is the share of digits that are right when each cluster stands for one
# digit, `nmi` compares the two divisions as a whole, and `changed` is how many labels moved.

# %%
run.curves()[["step", "acc", "nmi", "changed"]].tail()

# %%
cl.plot.curves(run)

# %% [markdown]
# The embedding at the end, and which digits share a cluster.

# %%
cl.plot.embedding(run, colour_by="class")

# %%
cl.plot.confusion(run)

# %% [markdown]
# The ten clusters, a row each, with their most typical digits first.

# %%
cl.plot.clusters(run)
