"""How things lie on disk: places, whole files, weights, fingerprints."""
