"""Published numbers, run again: a card a script, each with its recipe, its tolerance and its written result."""
