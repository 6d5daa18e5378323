"""Floor 5: products, the shelf, the sale gate, orders and their way to the bank's core systems."""
