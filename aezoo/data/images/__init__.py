"""Folders and archives of images, as rows of one size."""
