"""The middleware chains of models: types of middleware, and which model has which, in which order."""
