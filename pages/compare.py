"""Compare: two to four runs over the same items, side by side."""

from clustlab.ui.compare import compare

compare.compare_page()
