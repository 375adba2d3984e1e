"""The command line: one file per verb, each a parser and a few calls."""
