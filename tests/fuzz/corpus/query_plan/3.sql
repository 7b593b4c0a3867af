SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds DESC), count(DISTINCT subject), stddev(seconds) FROM events WHERE command LIKE 'a\_%' AND version IN ('5.10.3', NULL)
