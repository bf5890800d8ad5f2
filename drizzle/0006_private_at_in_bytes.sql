-- Where private metadata goes was counted in UTF-16 units, of which a character beyond U+FFFF takes two; now in bytes.
UPDATE "mirror_data"."users" u
SET private_at = octet_length(left(u.payload, u.private_at - CASE
	WHEN u.payload ~ U&'[\+010000-\+10FFFF]' THEN (
		SELECT count(*)::integer
		FROM (
			SELECT ordinality + row_number() OVER (ORDER BY ordinality) AS units_to_its_end
			FROM regexp_split_to_table(u.payload, '') WITH ORDINALITY AS c(character, ordinality)
			WHERE octet_length(c.character) = 4
		) AS pairs
		WHERE units_to_its_end <= u.private_at
	)
	ELSE 0 END))
WHERE u.private_at IS NOT NULL AND octet_length(u.payload) <> length(u.payload);
