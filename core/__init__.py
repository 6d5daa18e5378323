"""Floor 1: the values every other floor is built on. Imports none of them."""
