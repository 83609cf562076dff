"""The registry: what operators configure, handed out as frozen values. Today all of it comes from the environment."""
