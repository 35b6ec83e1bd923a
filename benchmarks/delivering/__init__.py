"""The parts of the delivery benchmark: what is sent, to whom, and how it is measured."""
