"""Networks: their descriptions, what they cost, and how Keras builds them."""
