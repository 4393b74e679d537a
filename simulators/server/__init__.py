"""One authority's server, and what goes on in it between the calls."""
