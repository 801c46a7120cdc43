"""The one statement of a search: BM25 over postings, exact cosines over vectors, and the best of both."""

from sqlalchemy import text

SEARCH = text(
    """
WITH live AS MATERIALIZED (
  SELECT version_id, knowledge_base_id, document_id, space, dimensions, chunk_count, token_count,
    (CAST(:documents AS uuid[]) IS NULL OR document_id = ANY(CAST(:documents AS uuid[])))
    AND (cardinality(CAST(:languages AS text[])) = 0 OR language = ANY(CAST(:languages AS text[])))
    AND (cardinality(CAST(:media_types AS text[])) = 0 OR media_type = ANY(CAST(:media_types AS text[])))
    AND (CAST(:created_from AS timestamptz) IS NULL OR created_at >= CAST(:created_from AS timestamptz))
    AND (CAST(:created_before AS timestamptz) IS NULL OR created_at < CAST(:created_before AS timestamptz))
    AS is_wanted
  FROM search_version
  WHERE tenant_id = CAST(:tenant AS uuid) AND knowledge_base_id = ANY(CAST(:bases AS uuid[])) AND is_live
), total AS MATERIALIZED (
  SELECT coalesce(sum(chunk_count), 0)::float8 AS chunks,
    greatest(sum(token_count)::float8 / nullif(sum(chunk_count), 0), 1) AS mean_length
  FROM live
), matching AS MATERIALIZED (
  SELECT term, version_id, ordinals, frequencies, lengths
  FROM search_posting
  WHERE tenant_id = CAST(:tenant AS uuid) AND knowledge_base_id = ANY(CAST(:bases AS uuid[]))
    AND term = ANY(CAST(:terms AS text[]))
), posting AS MATERIALIZED (
  SELECT matching.*, live.is_wanted FROM matching JOIN live ON live.version_id = matching.version_id
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
), question AS MATERIALIZED (
  SELECT space, CAST(vector AS halfvec) AS vector, dimensions
  FROM unnest(CAST(:spaces AS text[]), CAST(:vectors AS text[]), CAST(:dimensions AS int[]))
    AS each(space, vector, dimensions)
), semantic AS MATERIALIZED (
  SELECT c.version_id, c.ordinal, live.space, -(c.embedding <#> question.vector) AS cosine
  FROM question JOIN live ON live.space = question.space AND live.dimensions = question.dimensions AND live.is_wanted
    JOIN search_chunk AS c ON c.tenant_id = CAST(:tenant AS uuid) AND c.version_id = live.version_id
  WHERE c.embedding IS NOT NULL
), placed AS MATERIALIZED (
  SELECT version_id, ordinal, keyword.terms, keyword.score, semantic.space, semantic.cosine,
    row_number() OVER (ORDER BY keyword.score DESC NULLS LAST, version_id, ordinal) AS keyword_place,
    row_number() OVER (
      PARTITION BY semantic.space ORDER BY semantic.cosine DESC NULLS LAST, version_id, ordinal) AS semantic_place
  FROM keyword FULL JOIN semantic USING (version_id, ordinal)
), chosen AS MATERIALIZED (
  SELECT * FROM placed
  WHERE (score IS NOT NULL AND keyword_place <= CAST(:limit AS int))
    OR (cosine IS NOT NULL AND semantic_place <= CAST(:limit AS int))
)
SELECT c.chunk_id, live.knowledge_base_id, live.document_id, live.version_id, chosen.space, chosen.cosine,
  chosen.terms, chosen.score * (CAST(:k1 AS float8) + 1) AS bm25,
  chosen.score / nullif((SELECT sum(idf) FROM weight), 0) AS coverage
FROM chosen
  JOIN live ON live.version_id = chosen.version_id
  JOIN search_chunk AS c ON c.tenant_id = CAST(:tenant AS uuid) AND c.version_id = chosen.version_id
    AND c.ordinal = chosen.ordinal
"""
)
"""The full join keeps Postgres from nested loops over rows that it cannot estimate, and `question` is materialized so
that its vector is read once. Vectors have length 1, so their inner product is the cosine. Casts set the types of the
parameters. `weight` also has terms that no chunk has, so that coverage counts them.
"""
