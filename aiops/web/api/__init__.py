"""The frame of the REST API: authentication, strict parsing, paging, filters, problems."""
