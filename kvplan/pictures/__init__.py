"""Pictures of plans: charts as data, and what draws them, in a file by matplotlib and in a terminal."""
