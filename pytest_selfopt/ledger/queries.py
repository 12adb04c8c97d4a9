"""SQL over calls and comparisons, for reading rows by column name."""

from __future__ import annotations

CYCLES = "SELECT * FROM cycle ORDER BY id"
WARMUPS = """
SELECT * FROM call
WHERE cycle = ? AND purpose = 'warmup'
ORDER BY started, id
"""
# Members' calls count as part of their swarm's answer once it exists.
SPENT = """
SELECT coalesce(sum(attempts), 0) AS attempts,
    coalesce(sum(cost_usd), 0)
        + coalesce(max(cost_usd), 0) * (count(*) - count(cost_usd)) AS cost
FROM call AS one
WHERE cycle = ? AND (purpose != 'stage' OR NOT EXISTS
    (SELECT 1 FROM call WHERE id = substr(one.id, 1, instr(one.id, '#') - 1)))
"""
ANSWERS_BY_SPEC = """
SELECT spec, sum(outcome = 'pass') AS passes, count(*) AS answers
FROM call
WHERE phase = ? AND purpose = 'trial' AND outcome IN ('pass', 'miss') AND copied = ''
GROUP BY spec
ORDER BY spec
"""
FEWEST_PROMPT_TOKENS = """
SELECT spec, case_hash, min(tokens_in) AS fewest
FROM call
WHERE phase = ? AND purpose = 'trial' AND tokens_in IS NOT NULL AND copied = ''
GROUP BY spec, case_hash
"""
ANSWERED = """
SELECT answer_id, cycle, reply FROM call
WHERE answer_id IN (SELECT value FROM json_each(?)) AND answer_id <> '' AND cycle <> ? AND reply IS NOT NULL
ORDER BY started, id
"""
OUTCOMES = """
SELECT coalesce(outcome, 'unjudged') AS outcome, count(*) AS number
FROM call
WHERE cycle = ? AND purpose = 'trial'
GROUP BY 1
"""
FIND_COMPARISON = """
SELECT * FROM comparison
WHERE phase = ? AND baseline = ? AND candidate = ? AND suite_hash = ?
"""
RELEASE_COMPARISON = "DELETE FROM comparison WHERE number = ?"
FORGET_OUTAGE = """
DELETE FROM call
WHERE cycle = ?1 AND reply IS NULL AND json_extract(error, '$.reply') IS NULL
    AND (json_extract(error, '$.message') LIKE 'cannot connect: %'
        OR NOT EXISTS (SELECT 1 FROM call WHERE cycle = ?1 AND reply IS NOT NULL))
"""
COMPARISONS = """
SELECT * FROM comparison
WHERE ? IS NULL OR phase = ?
ORDER BY number
"""
