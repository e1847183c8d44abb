"""What is written and read: checkpoints, states of training, folders of runs. No pickle; whole or not at all."""
