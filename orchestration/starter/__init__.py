"""What a new project begins with: its files, the blocks of its site file, and the questions that fill them."""
