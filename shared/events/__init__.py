"""Events: what arrives from Event Grid, read into facts that the hub can decide on."""
