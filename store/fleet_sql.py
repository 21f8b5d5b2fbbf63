"""The fleet's measures in SQL. `:since` and `:until` bound a half-open range, `:bucket` is a unit of date_trunc.

A proposal that a rule decided has a `rule`; what people decided has none. A run `recovered` when a run of its job's
was good again, by whoever's doing; it was `resolved` when that was Pitstop's own action, verified.
"""

from __future__ import annotations

# Only this file's own constants are put together here; what comes from outside is bound.
# ruff: noqa: S608

_OPENED = "i.opened_at >= :since AND i.opened_at < :until"
_BUCKET = "date_trunc(:bucket, {} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
_RECOVERED = "i.status IN ('resolved', 'resolved_elsewhere')"
_SECONDS = "extract(epoch FROM i.finished_at - i.opened_at)::float8"
_PERCENTILES = f"""
  percentile_cont(0.5) WITHIN GROUP (ORDER BY {_SECONDS}) AS median,
  percentile_cont(0.9) WITHIN GROUP (ORDER BY {_SECONDS}) AS p90,
  count(*) AS count"""

#: Incidents by bucket and class.
CLASSES = f"""
SELECT {_BUCKET.format("i.opened_at")} AS at, coalesce(i.failure_class, 'not known yet') AS name, count(*) AS count
FROM incidents i WHERE {_OPENED} GROUP BY 1, 2 ORDER BY 1, 2"""

#: The jobs with most incidents.
JOBS = f"""
SELECT i.job_id, max(i.job_name) AS job_name, count(*) AS incidents,
  count(*) FILTER (WHERE {_RECOVERED}) AS resolved,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY {_SECONDS}) FILTER (WHERE {_RECOVERED}) AS median
FROM incidents i WHERE {_OPENED}
GROUP BY i.job_id, CASE WHEN i.job_id IS NULL THEN i.job_name END
ORDER BY incidents DESC, job_name LIMIT 15"""

#: Time to recovery, by bucket, and (with `at` NULL) over all.
RECOVERY = f"""
SELECT {_BUCKET.format("i.opened_at")} AS at, {_PERCENTILES}
FROM incidents i WHERE {_OPENED} AND {_RECOVERED}
GROUP BY GROUPING SETS ((1), ()) HAVING count(*) > 0 ORDER BY 1"""

RECOVERY_BY_CLASS = f"""
SELECT coalesce(i.failure_class, 'not known yet') AS name, {_PERCENTILES}
FROM incidents i WHERE {_OPENED} AND {_RECOVERED} GROUP BY 1 ORDER BY count DESC, 1 LIMIT 15"""

#: `ended`: finished, or left to people by Pitstop, and not merely observed. `hands_free`: resolved, and nobody
#: edited, took over, gave a hint or asked for a second look: at most somebody said yes. `unasked`: resolved, and nobody was even asked.
OUTCOMES = f"""
SELECT count(*) AS opened,
  count(*) FILTER (WHERE i.status = 'observed') AS observed,
  count(*) FILTER (WHERE i.outcome IS NOT NULL AND i.status <> 'observed') AS ended,
  count(*) FILTER (WHERE {_RECOVERED}) AS recovered,
  count(*) FILTER (WHERE i.status = 'resolved') AS resolved,
  count(*) FILTER (WHERE i.status = 'resolved' AND NOT coalesce(a.worked, false)
    AND i.taken_over_by IS NULL AND NOT EXISTS (
      SELECT FROM events e WHERE e.incident_id = i.id AND e.key = 'second_look/1')) AS hands_free,
  count(*) FILTER (WHERE i.status = 'resolved' AND NOT coalesce(a.asked, false)
    AND i.taken_over_by IS NULL) AS unasked
FROM incidents i LEFT JOIN (
  SELECT a.incident_id, bool_or(a.rule IS NULL) AS asked,
    bool_or(a.status IN ('responded', 'rejected') OR a.payload_sha256 <> a.original_sha256) AS worked
  FROM approvals a JOIN incidents i ON i.id = a.incident_id WHERE {_OPENED} GROUP BY 1
) a ON a.incident_id = i.id
WHERE {_OPENED}"""

#: What became of the proposals that people were asked about.
DECISIONS = f"""
SELECT {_BUCKET.format("a.created_at")} AS at, a.status AS name, count(*) AS count
FROM approvals a
WHERE a.created_at >= :since AND a.created_at < :until AND a.rule IS NULL
GROUP BY 1, 2 ORDER BY 1, 2"""

#: `judged`: incidents on which a person decided. `false_positives`: of them, those whose last decided proposal
#: was rejected, or whose analysis was rated as of no use.
JUDGED = f"""
SELECT count(*) AS judged,
  count(*) FILTER (WHERE d.useless OR d.last = 'rejected') AS false_positives
FROM (
  SELECT a.incident_id, bool_or(a.useful IS FALSE) AS useless,
    (array_agg(a.status ORDER BY a.decided_at DESC))[1] AS last
  FROM approvals a JOIN incidents i ON i.id = a.incident_id
  WHERE {_OPENED} AND a.rule IS NULL AND a.status IN ('approved', 'edited', 'rejected', 'responded')
  GROUP BY 1
) d"""

#: The one-click ratings.
USEFUL = f"""
SELECT {_BUCKET.format("a.decided_at")} AS at, CASE WHEN a.useful THEN 'useful' ELSE 'not useful' END AS name,
  count(*) AS count
FROM approvals a
WHERE a.created_at >= :since AND a.created_at < :until AND a.useful IS NOT NULL AND a.decided_at IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2"""

COST = f"""
SELECT {_BUCKET.format("m.at")} AS at, sum(m.usd)::float8 AS usd, count(*) AS calls
FROM model_calls m WHERE m.at >= :since AND m.at < :until GROUP BY 1 ORDER BY 1"""

#: What was proposed in observe mode, and what the `aftermath` event says that people did.
SHADOW = f"""
SELECT coalesce(i.action, 'none') AS action, coalesce(e.data->>'did', 'not known yet') AS did, count(*) AS count,
  bool_and((e.data->>'agrees')::boolean) AS agrees
FROM incidents i LEFT JOIN events e ON e.incident_id = i.id AND e.kind = 'aftermath'
WHERE {_OPENED} AND i.status = 'observed' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"""
