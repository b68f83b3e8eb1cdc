"""The provider: Delivery Service and Authentication Service. It orders bytes that it cannot read."""
