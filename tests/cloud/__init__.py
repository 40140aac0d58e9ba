"""Cloud Storage on this machine: a real server, made strict, with faults to order."""
