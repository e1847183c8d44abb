"""Tables of any columns, read with pyarrow: what they hold is found in one pass, and becomes numbers in a second."""
