"""Training code that several recipes share."""
