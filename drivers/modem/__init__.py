"""Voice modems on serial ports: their byte protocol (ITU-T V.253) and a profile per model."""
