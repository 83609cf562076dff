"""The administration of rows that configure aiops: the same validation and change log as their API."""
