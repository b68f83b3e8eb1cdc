"""All parties in one process: real stores, real engine, real sockets, one settable clock."""
