"""What models are measured on: labelled and boxed images, whatever layout they are distributed in."""
