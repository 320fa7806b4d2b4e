"""Learn: a course of short lessons that run."""

from clustlab.ui import learn

learn.body()
