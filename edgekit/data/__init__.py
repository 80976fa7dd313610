"""Pictures: where they come from and how they become model inputs."""
