"""What tasks share that read a text or a picture whole: windows of tokens, encoders, pooling, pixels."""
