"""Events: what a watcher may see of a run, from the worker's writer to the web's hub. Knows no Django."""
