"""How fast the project is beside what people would write instead; see docs/performance.md."""
