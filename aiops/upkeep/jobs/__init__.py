"""The jobs, one file each; every one does all that is due and returns counts of what it did."""
