"""The model: its objective, its use on raw data, and how it is assembled from parts that fit together."""
