"""Language models: providers, which model answers, pacing of calls, reachability. Loads no provider's package."""
