"""The one statement of a search: BM25 over postings, exact cosines over vectors, and the best of both."""

from sqlalchemy import text

K1 = 1.2
B = 0.75

SEARCH = text(
    """
WITH live AS MATERIALIZED (
  SELECT version_id, knowledge_base_id, document_id, space, dimensions, chunk_count, token_count,
    (cardinality(CAST(:documents AS uuid[])) = 0 OR document_id = ANY(CAST(:documents AS uuid[])))
    AND (cardinality(CAST(:languages AS text[])) = 0 OR language = ANY(CAST(:languages AS text[])))
    AND (cardinality(CAST(:media_types AS text[])) = 0 OR media_type = ANY(CAST(:media_types AS text[]))) AS is_wanted
  FROM search_version
  WHERE tenant_id = CAST(:tenant AS uuid) AND knowledge_base_id = ANY(CAST(:bases AS uuid[])) AND is_live
), total AS MATERIALIZED (
  SELECT coalesce(sum(chunk_count), 0)::float8 AS chunks,
    greatest(sum(token_count)::float8 / nullif(sum(chunk_count), 0), 1) AS mean_length
  FROM live
), posting AS MATERIALIZED (
  SELECT p.term, p.version_id, p.ordinals, p.frequencies, p.lengths, live.is_wanted
  FROM search_posting AS p JOIN live ON live.version_id = p.version_id
  WHERE p.tenant_id = CAST(:tenant AS uuid) AND p.knowledge_base_id = ANY(CAST(:bases AS uuid[]))
    AND p.term = ANY(CAST(:terms AS text[]))
), frequency AS (
  SELECT wanted.term, coalesce(sum(cardinality(posting.ordinals)), 0)::float8 AS chunks
  FROM unnest(CAST(:terms AS text[])) AS wanted(term) LEFT JOIN posting ON posting.term = wanted.term
  GROUP BY wanted.term
), weight AS MATERIALIZED (
  SELECT term, ln(1 + (total.chunks - frequency.chunks + 0.5) / (frequency.chunks + 0.5)) AS idf
  FROM frequency CROSS JOIN total
), keyword AS MATERIALIZED (
  SELECT posting.version_id, at.ordinal, array_agg(posting.term) AS terms,
    sum(weight.idf * at.frequency / (at.frequency + CAST(:k1 AS float8)
      * (1 - CAST(:b AS float8) + CAST(:b AS float8) * at.length / total.mean_length))) AS score
  FROM posting JOIN weight ON weight.term = posting.term CROSS JOIN total
    CROSS JOIN LATERAL unnest(posting.ordinals, posting.frequencies, posting.lengths) AS at(ordinal, frequency, length)
  WHERE posting.is_wanted
  GROUP BY posting.version_id, at.ordinal
), question AS (
  SELECT space, CAST(vector AS halfvec) AS vector, dimensions
  FROM unnest(CAST(:spaces AS text[]), CAST(:vectors AS text[]), CAST(:dimensions AS int[]))
    AS each(space, vector, dimensions)
), semantic AS MATERIALIZED (
  SELECT c.version_id, c.ordinal, live.space, 1 - (c.embedding <=> question.vector) AS cosine
  FROM question JOIN live ON live.space = question.space AND live.dimensions = question.dimensions AND live.is_wanted
    JOIN search_chunk AS c ON c.tenant_id = CAST(:tenant AS uuid) AND c.version_id = live.version_id
  WHERE c.embedding IS NOT NULL
), candidate AS (
  (SELECT version_id, ordinal FROM keyword ORDER BY score DESC, version_id, ordinal LIMIT CAST(:limit AS int))
  UNION
  SELECT version_id, ordinal
  FROM (SELECT *, row_number() OVER (PARTITION BY space ORDER BY cosine DESC, version_id, ordinal) AS place
        FROM semantic) AS placed
  WHERE place <= CAST(:limit AS int)
)
SELECT c.chunk_id, live.knowledge_base_id, live.document_id, live.version_id, live.space, semantic.cosine,
  keyword.terms, keyword.score * (CAST(:k1 AS float8) + 1) AS bm25,
  keyword.score / nullif((SELECT sum(idf) FROM weight), 0) AS coverage
FROM candidate
  JOIN live ON live.version_id = candidate.version_id
  JOIN search_chunk AS c ON c.tenant_id = CAST(:tenant AS uuid) AND c.version_id = candidate.version_id
    AND c.ordinal = candidate.ordinal
  LEFT JOIN keyword ON keyword.version_id = candidate.version_id AND keyword.ordinal = candidate.ordinal
  LEFT JOIN semantic ON semantic.version_id = candidate.version_id AND semantic.ordinal = candidate.ordinal
"""
)
"""The casts say what the parameters are; `weight` also has terms that no chunk has, so that coverage counts them."""
