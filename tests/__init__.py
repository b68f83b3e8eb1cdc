"""The tests; a package only so that helpers can be imported by their full name."""
