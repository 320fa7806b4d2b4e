# %% [markdown]
# # Images of one's own
#
# A folder of images, an archive, an array or a table becomes a data set. Here photographs that
# come with scikit-learn are cut into pieces, as a stand-in for a folder of yours:
# `cl.import_data("path/to/images.zip", "My cells", size=(32, 32))`.

# %%
import numpy as np
from sklearn.datasets import load_sample_images

import clustlab as cl

photographs = load_sample_images().images
pieces, origins = [], []
for name, photograph in zip(("temple", "flower"), photographs, strict=True):
    for top in range(0, photograph.shape[0] - 31, 32):
        for left in range(0, photograph.shape[1] - 31, 32):
            pieces.append(photograph[top : top + 32, left : left + 32])
            origins.append(name)
name = cl.import_data(np.array(pieces), "Pieces of photographs", labels=np.array(origins))
name

# %% [markdown]
# From here on it is a data set like any other. The labels say which photograph a piece is from; a
# method does not see them.

# %%
run = cl.train(name, "pca-kmeans", preset="quick", settings={"n_clusters": 6})
cl.plot.clusters(run)

# %%
frame = run.frame()
frame.groupby("cluster")["class"].value_counts().unstack(fill_value=0)

# %% [markdown]
# A run can be given images that it was not trained on, be they in an array, a folder or an archive.
# Those that are farther from all that it knows than nearly all of its own are marked as strange:
# pieces cut half a step aside are of the same kind, noise is not.

# %%
aside = [each[16 : 16 + 32, 16 : 16 + 32] for each in photographs]
noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
run.apply(np.concatenate([aside, noise]))

# %% [markdown]
# The same images, clustered as an estimator of scikit-learn, and new ones asked about.

# %%
images = np.array(pieces)
fitted = cl.sklearn.PCAKMeans(n_clusters=6).fit(images[::2])
(fitted.predict(images[1::2])[:20], fitted.labels_[:20])
