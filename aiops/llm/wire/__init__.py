"""Chat models of providers whose LangChain classes drop part of the stream; loaded by their provider's ``build``."""
