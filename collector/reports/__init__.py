"""Reports: what was read, what hit, what people made of it. Pure but for the store's facts that it is given."""
