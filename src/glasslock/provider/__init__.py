"""The provider: Delivery and Authentication Service. It orders bytes that it cannot read."""
