"""What people would write without this project, each as a plain script."""
