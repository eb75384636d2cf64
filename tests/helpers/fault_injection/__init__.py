"""Real faults: killed and interrupted processes, damaged archives."""
