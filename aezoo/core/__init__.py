"""The ground: configs, schedules, arrays, random streams, memory and files. It knows no model and no plugin."""
