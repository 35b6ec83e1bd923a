"""The parts of the simulated X: how posts come to be, what X answers, and who reads it."""
