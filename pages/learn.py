"""Learn: a course of short lessons that run."""

from clustlab.ui.learn import learn

learn.learn_page()
