SELECT seq, owner = coalesce($3, owner) AND kind = ANY(coalesce($4::integer[], ARRAY[kind]))
  AND queue = ANY(coalesce($5::integer[], ARRAY[queue])) AND state = ANY($6::smallint[])
FROM longhaul.ended WHERE seq < $1 ORDER BY seq DESC LIMIT $2
