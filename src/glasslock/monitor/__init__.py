"""The monitor: what anybody can say of a log from its entries alone, with no account."""
