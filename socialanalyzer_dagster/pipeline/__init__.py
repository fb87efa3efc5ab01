"""The stage runner, the spending gate and everything between a stage and the outside world."""
