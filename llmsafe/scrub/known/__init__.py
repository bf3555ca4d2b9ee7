"""The first layer: identifiers that the hospital's own tables give away."""
