"""Readers and writers of data sets: one file per on-disk format, never per experiment."""
