SELECT concat_ws(' ', 'findings', cluster, CAST(date AS STRING), bundle, outcome) AS what, count(*) AS n
FROM findings GROUP BY cluster, date, bundle, outcome
UNION ALL
SELECT concat_ws(' ', 'messages', cluster, CAST(date AS STRING), bundle), sum(length(message))
FROM findings GROUP BY cluster, date, bundle
UNION ALL
SELECT concat_ws(' ', 'owned', cluster, CAST(date AS STRING), bundle), count(owner)
FROM findings GROUP BY cluster, date, bundle
UNION ALL
SELECT concat_ws(' ', 'requirements', cluster, CAST(date AS STRING), bundle, framework, status), count(*)
FROM requirements GROUP BY cluster, date, bundle, framework, status
UNION ALL
SELECT concat_ws(' ', 'failures', cluster, CAST(date AS STRING), bundle), sum(failures)
FROM requirements GROUP BY cluster, date, bundle
UNION ALL
SELECT concat_ws(' ', 'drift', cluster, CAST(date AS STRING), bundle, part), count(*)
FROM drift GROUP BY cluster, date, bundle, part
UNION ALL
SELECT concat_ws(' ', 'objects', bundle), count(DISTINCT digest) FROM objects GROUP BY bundle
UNION ALL
SELECT concat_ws(' ', 'grants', bundle), count(*) FROM grants WHERE NOT stock GROUP BY bundle
UNION ALL
SELECT concat_ws(' ', 'rules', bundle), sum(rule) FROM grants GROUP BY bundle
UNION ALL
SELECT concat_ws(' ', 'images', bundle), count(*) FROM images GROUP BY bundle
UNION ALL
SELECT concat_ws(' ', 'nodes', bundle), count(*) FROM nodes GROUP BY bundle
UNION ALL
SELECT concat_ws(' ', 'run', cluster, CAST(date AS STRING), bundle, evidence_root), log_index FROM runs
UNION ALL
SELECT concat_ws(' ', 'clock', bundle), 100 * extract(day FROM finished) + extract(hour FROM finished) FROM runs
UNION ALL
SELECT concat_ws(' ', 'told', bundle), findings_rows + requirements_rows + drift_rows FROM runs
