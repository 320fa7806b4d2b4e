"""Figures: every method measured on the same images, beside what was published."""

from clustlab.ui.compare import figures

figures.figures_page()
