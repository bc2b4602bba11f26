"""The stages measured against bare loops, in turn, as ratios."""
