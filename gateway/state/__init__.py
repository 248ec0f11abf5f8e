"""What outlives a call: counts of limits, in this process or shared by several."""
