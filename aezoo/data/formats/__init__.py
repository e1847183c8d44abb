"""Readers of data files, a format a file. Whatever is wrong with a file ends as one DataError that names it."""
