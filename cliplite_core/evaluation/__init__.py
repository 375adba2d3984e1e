"""One file per experiment of the paper: each turns features or scores into the numbers of one table."""
