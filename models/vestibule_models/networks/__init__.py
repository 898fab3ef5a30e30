"""One file per architecture; each has `build(...) -> keras.Model` with its preprocessing in the graph."""
