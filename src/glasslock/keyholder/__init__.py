"""The keyholder: holds shares, reads the logs itself, and answers every order with yes or no."""
