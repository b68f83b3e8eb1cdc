"""The desk: where an order is drafted and signed, and where what it granted is opened."""
