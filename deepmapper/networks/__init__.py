"""Networks: backbones, the pixel gate, and the screen that opens it."""
