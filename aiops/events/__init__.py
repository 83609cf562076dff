"""Events: what a viewer sees of a run, from the worker's writer to the hub of the web process. Imports no Django."""
