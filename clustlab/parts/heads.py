"""Several heads on the same features, each with its own division into clusters."""

from torch import Tensor, nn


class Heads(nn.Module):
    """Cluster probabilities (n_heads, b, n_clusters) of features (b, width), one softmax per head.

    The heads share nothing but the features and differ by the draw of their first weights. They
    are one linear layer, so that many of them cost hardly more than one.

    Parameters
    ----------
    width : int
        Number of features.
    n_heads : int
        Number of heads.
    n_clusters : int
        Number of clusters k of each head.
    """

    def __init__(self, width: int, n_heads: int, n_clusters: int) -> None:
        super().__init__()
        self.n_heads, self.n_clusters = n_heads, n_clusters
        self.linear = nn.Linear(width, n_heads * n_clusters)

    def forward(self, features: Tensor) -> Tensor:
        """Probabilities (n_heads, b, n_clusters), rows sum to 1."""
        scores = self.linear(features).view(-1, self.n_heads, self.n_clusters)
        # in half precision the rows would not sum to 1
        return scores.float().softmax(-1).transpose(0, 1)
